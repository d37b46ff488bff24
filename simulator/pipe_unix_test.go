//go:build unix

package simulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
			dir := t.TempDir()
			pipe := filepath.Join(dir, "pipe.yaml")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			file := pipe
			if yaml != "" {
				file = filepath.Join(dir, "simulator.yaml")
				if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ended := make(chan error, 1)
			go func() {
				_, err := simulator.LoadConfig(file, nil)
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), "it is no file but a pipe") {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it hangs")
			}
		})
	}
}

// Certificates are read when the simulator listens.
func TestPipeInsteadOfCertificate(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := simulator.New(simulator.Options{Profile: &profile.Profile{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := s.ListenTLS("127.0.0.1:0", simulator.ServerTLS{Cert: pipe, Key: pipe})
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "it is no file but a pipe") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
}
