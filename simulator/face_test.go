package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator"
)

func tcp(t testing.TB, s *simulator.Simulator) string {
	t.Helper()
	address, err := s.ListenTCP(":0")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(address.String(), "127.0.0.1:") {
		t.Errorf("it listens on %s", address)
	}
	return address.String()
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// talk writes what is said and reads exactly what is to be heard.
func talk(t testing.TB, line io.ReadWriter, say, want string) {
	t.Helper()
	if _, err := line.Write(fromHex(t, say)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(fromHex(t, want)))
	if n, err := io.ReadFull(line, b); err != nil || !bytes.Equal(b, fromHex(t, want)) {
		t.Fatalf("%s: heard % X, %v; want %s", say, b[:n], err, want)
	}
}

func TestTCPUnits(t *testing.T) {
	p := xymd02(t)
	one := newSimulator(t, simulator.Options{Profile: p, Unit: 1})
	two := newSimulator(t, simulator.Options{Profile: p, Unit: 1, Devices: []simulator.DeviceOptions{{Profile: p, Unit: 2}}})
	for s, answering := range map[*simulator.Simulator][]byte{one: {0, 1, 255}, two: {1, 2}} {
		conn := dial(t, tcp(t, s))
		run(t, s)
		for unit := range 256 {
			frame := modbus.AppendTCP(nil, modbus.ADU{Transaction: uint16(unit), Unit: byte(unit), PDU: modbus.ReadRequest(3, 0x102, 1)})
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		for _, unit := range answering { // any other reply would come in between, or in front of the last
			want := modbus.AppendTCP(nil, modbus.ADU{Transaction: uint16(unit), Unit: unit, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0x25, 0x80}}})
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("unit %d: % X, %v; want % X", unit, got, err, want)
			}
		}
	}
}

// All faces, clients and the power switch at once, on one state.
func TestConcurrentUse(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	address := tcp(t, s)
	run(t, s)
	var all sync.WaitGroup
	for i := range 4 {
		conn := dial(t, address)
		all.Go(func() {
			for n := range 200 {
				value := byte((n + i) % 100)
				request := modbus.PDU{FunctionCode: 16, Data: []byte{1, 3, 0, 2, 4, 0, value, 0, value}}
				if n%2 == 0 {
					request = modbus.ReadRequest(3, 0x103, 2)
				}
				if _, err := conn.Write(modbus.AppendTCP(nil, modbus.ADU{Unit: 1, PDU: request})); err != nil {
					t.Error(err)
					return
				}
				reply := make([]byte, 12+(n+1)%2)
				if _, err := io.ReadFull(conn, reply); err != nil {
					t.Error(err)
					return
				}
				if n%2 == 0 && !bytes.Equal(reply[9:11], reply[11:13]) {
					t.Errorf("half a write was read: % X", reply)
					return
				}
			}
		})
	}
	all.Go(func() {
		for n := range 100 {
			s.PowerCycle()
			if err := s.Pin("temperature", float64(n%20)); err != nil {
				t.Error(err)
			}
			if _, err := s.Devices()[0].Value("temperature"); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}

func TestListenTCPRefuses(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	taken := tcp(t, s)
	for address, want := range map[string]string{taken: taken, "5020": "host:port", "127.0.0.1": "host:port"} {
		if _, err := s.ListenTCP(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", taken); err == nil {
		conn.Close()
		t.Error("it listens after Close")
	}
	if _, err := s.ListenTCP(":0"); err == nil {
		t.Error("a face was added after Close")
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("it ran after Close")
	}
}

func TestRunNeedsAFace(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no face") {
		t.Error(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	conn := dial(t, tcp(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	talk(t, conn, "0001 0000 0006 01 03 0102 0001", "0001 0000 0005 01 03 02 2580")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v", err)
	}
}
