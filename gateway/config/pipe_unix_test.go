//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"modferry/configs/plainfile/plainfiletest"
	"modferry/gateway/config"
	"modferry/gateway/config/watch"
)

// A pipe in the place of a file is refused, and does not keep the gateway waiting:
// neither when the configuration is read, nor when it is watched.
func TestPipeInsteadOfFile(t *testing.T) {
	const buses = "buses: {b: {tcp: \"127.0.0.1:5\"}}\n"
	for what, yaml := range map[string]string{
		"configuration":         "",
		"profile":               "gateway: w\nbroker: {}\nprofiles: .\n" + buses + "devices: {d: {bus: b, unit: 1, profile: pipe}}\n",
		"password_file":         "gateway: w\nmqtt: {url: \"mqtt://127.0.0.1:1\", username: x, password_file: pipe.yaml}\n" + buses,
		"password_file of user": "gateway: w\nbroker: {users: {u: {password_file: pipe.yaml}}}\n" + buses,
		"password_file, device": "gateway: w\nmqtt: {url: \"mqtt://127.0.0.1:1\", username: x, password_file: /dev/zero}\n" + buses,
	} {
		t.Run(what, func(t *testing.T) {
			file := plainfiletest.Pipe(t)
			if yaml != "" {
				file = filepath.Join(filepath.Dir(file), "gateway.yaml")
				if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for how, read := range map[string]func(string) ([]byte, error){"read": nil, "watched": new(watch.Files).ReadFile} {
				plainfiletest.Refused(t, how, "it is no file but a ", func() error {
					_, err := config.Load(file, config.Options{ReadFile: read})
					return err
				})
			}
		})
	}
}
