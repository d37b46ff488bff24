//go:build linux || darwin

package simulator_test

import (
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/simulator"
)

func script(t *testing.T, python string, args ...string) {
	t.Helper()
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
}

// A client that others wrote reads and writes by every face that it knows.
func TestPymodbusClient(t *testing.T) {
	python := gatewaytest.NeedPython(t, "pymodbus.client")
	link := filepath.Join(t.TempDir(), "line")
	c, err := configured(t, "tcp: :0\nudp: :0\nrtu_over_tcp: :0\nascii_over_tcp: :0\nmode: ascii\npty: "+link+"\ndevices: [{tables: {holding: 100, coil: 100}}]", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	for _, place := range s.Places().All() {
		script(t, python, "testdata/pymodbus_client.py", place.Face, place.Where)
	}
	if n := len(s.Places().All()); n != 5 {
		t.Errorf("%d faces", n)
	}
}

// libmodbus finds on the shipped configuration what its own test is to find, by the
// faults, too.
func TestLibmodbusFindsItsServer(t *testing.T) {
	gatewaytest.Need(t, "mbpoll") // which brings the library
	python := gatewaytest.NeedPython(t, "ctypes")
	c, err := simulator.LoadConfig("../configs/libmodbus-test.yaml", configs)
	if err != nil {
		t.Fatal(err)
	}
	c.TCP, c.PTY, c.Framing = ":0", filepath.Join(t.TempDir(), "line"), modbus.RTU
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, port, err := net.SplitHostPort(s.Places().TCP)
	if err != nil {
		t.Fatal(err)
	}
	script(t, python, "testdata/libmodbus_client.py", "tcp", port)
	script(t, python, "testdata/libmodbus_client.py", "rtu", c.PTY)
}
