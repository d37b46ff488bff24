//go:build unix

package simulator_test

import (
	"os"
	"path/filepath"
	"testing"

	"modferry/configs/plainfile/plainfiletest"
	"modferry/modbus/profile"
	"modferry/simulator"
)

// A pipe in the place of a file is refused, and keeps nobody waiting.
func TestPipeInsteadOfFile(t *testing.T) {
	for what, yaml := range map[string]string{
		"configuration": "",
		"profile":       "profiles: .\ndevices: [{profile: pipe}]\ntcp: 127.0.0.1:0\n",
		"list":          "devices: [{csv: pipe.yaml}]\ntcp: 127.0.0.1:0\n",
		"token":         "devices: [{registers: {r: {holding: 0}}}]\ntcp: 127.0.0.1:0\ncontrol: 127.0.0.1:0\ncontrol_token_file: pipe.yaml\n",
	} {
		t.Run(what, func(t *testing.T) {
			file := plainfiletest.Pipe(t)
			if yaml != "" {
				file = filepath.Join(filepath.Dir(file), "simulator.yaml")
				if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			plainfiletest.Refused(t, what, "it is no file but a pipe", func() error {
				_, err := simulator.LoadConfig(file, nil)
				return err
			})
		})
	}
}

// Certificates are read when the simulator listens.
func TestPipeInsteadOfCertificate(t *testing.T) {
	pipe := plainfiletest.Pipe(t)
	s, err := simulator.New(simulator.Options{Profile: &profile.Profile{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plainfiletest.Refused(t, "certificate", "it is no file but a pipe", func() error {
		_, err := s.ListenTLS("127.0.0.1:0", simulator.ServerTLS{Cert: pipe, Key: pipe})
		return err
	})
}
