//go:build unix

package simulator_test

import (
	"testing"

	"modferry/configs/plainfile/plainfiletest"
	"modferry/modbus/profile"
	"modferry/simulator"
)

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
