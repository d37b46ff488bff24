package simulator_test

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator"
)

// Faults come and go, calls are looked at, and the clock is moved, while clients ask
// on several connections: each reply is a good one or the fault's, and each request is
// one call.
func TestConcurrentFaults(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1, Calls: 5000})
	address := tcp(t, s)
	run(t, s)
	const clients, rounds = 4, 200
	done := make(chan struct{})
	var asking, disturbing sync.WaitGroup
	for range clients {
		conn := dial(t, address)
		asking.Go(func() {
			for n := range rounds {
				frame := modbus.AppendTCP(nil, modbus.ADU{Transaction: uint16(n), Unit: 1, PDU: readOne})
				if _, err := conn.Write(frame); err != nil {
					t.Error(err)
					return
				}
				reply := make([]byte, 8)
				if _, err := io.ReadFull(conn, reply); err != nil {
					t.Error(err)
					return
				}
				rest := make([]byte, int(reply[5])-2)
				if _, err := io.ReadFull(conn, rest); err != nil || reply[1] != byte(n) || !slices.Contains([]string{"03", "83"}, fmt.Sprintf("%02X", reply[7])) {
					t.Errorf("round %d: % X % X, %v", n, reply, rest, err)
					return
				}
			}
		})
	}
	disturb := func(do func(n int)) {
		disturbing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					do(n)
				}
			}
		})
	}
	disturb(func(n int) {
		f := simulator.Fault{Name: fmt.Sprint("f", n), Functions: []string{"read"}, Exception: 4, Every: 2, Also: true}
		if _, err := s.AddFaults(f, simulator.Fault{Drip: simulator.Drip{Bytes: 4, Every: time.Microsecond}}); err != nil {
			t.Error(err)
		}
		if !s.RemoveFault(f.Name) {
			t.Errorf("%s is gone", f.Name)
		}
		if n%10 == 0 {
			if _, err := s.SetFaults(); err != nil {
				t.Error(err)
			}
		}
	})
	disturb(func(int) {
		l := s.Listen()
		defer l.Close()
		if _, _, err := s.Calls(simulator.CallFilter{Function: "read"}, 10); err != nil {
			t.Error(err)
		}
		if err := s.Clock().Step(time.Second); err != nil {
			t.Error(err)
		}
		s.Faults()
	})
	asking.Wait()
	close(done)
	disturbing.Wait()
	_, n, err := s.Calls(simulator.CallFilter{}, 0)
	if err != nil || n.Last != clients*rounds {
		t.Errorf("%+v, %v", n, err)
	}
}
