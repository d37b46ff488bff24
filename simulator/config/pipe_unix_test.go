//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"modferry/configs/plainfile/plainfiletest"
	"modferry/simulator/config"
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
				_, err := config.Load(file, nil)
				return err
			})
		})
	}
}
