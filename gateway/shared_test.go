package gateway_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/modbus"
)

// strictListener is a device that accepts one connection and no second: it counts.
func strictListener(t *testing.T, connections *atomic.Int32) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return counted{l, connections}
}

// Two buses of one device, and many who ask: one connection.
func TestRow12OneConnection(t *testing.T) {
	for framing, name := range map[modbus.Framing]string{modbus.TCP: "mbap", modbus.RTU: "rtu"} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			l := strictListener(t, &connections)
			serveOn(t, l, framing)
			app := start(t, fmt.Sprintf(`
gateway: w
buses:
  one: {tcp: %q, framing: %s}
  two: {tcp: %q, framing: %s}
`, l.Addr(), name, l.Addr(), name))
			const callers = 50
			var asking sync.WaitGroup
			for _, bus := range []string{"one", "two"} {
				for caller := range callers {
					client := fmt.Sprintf("caller%d", caller)
					in := app.Subscribe("modferry/w/bus/"+bus+"/response/"+client, 1)
					asking.Go(func() {
						app.Publish("modferry/w/bus/"+bus+"/request/"+client, 1, false, fmt.Sprintf("0104%04X0001", caller))
						if m, want := in.Next(patience), fmt.Sprintf("010402%04X", caller); string(m.Payload) != want {
							t.Errorf("%s of bus %s got %s, want %s", client, bus, m.Payload, want)
						}
					})
				}
			}
			asking.Wait()
			if n := connections.Load(); n != 1 {
				t.Errorf("the device saw %d connections", n)
			}
		})
	}
}

// Who shares a connection shares what the more careful of the two asks for: no more
// requests in flight, and no shorter pauses.
func TestSharedConnectionKeepsToTheCarefulBus(t *testing.T) {
	const delay = 30 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var began []time.Time
	var serving sync.WaitGroup
	serving.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for request := make([]byte, 12); ; {
			if _, err := io.ReadFull(c, request); err != nil {
				return
			}
			mu.Lock()
			began = append(began, time.Now())
			mu.Unlock()
			q, _ := modbus.ParseTCP(request)
			q.PDU, _ = (&device{}).answer(q)
			_, _ = c.Write(modbus.AppendTCP(nil, q))
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  eager: {tcp: %q, in_flight: 8}\n  careful: {tcp: %q, delay: %s}\n", l.Addr(), l.Addr(), delay))
	in := app.Subscribe("modferry/w/bus/eager/response/+", 1)
	const requests = 8
	for i := range requests {
		app.Publish(fmt.Sprintf("modferry/w/bus/eager/request/c%d", i), 1, false, "010400010001")
	}
	for range requests {
		if m := in.Next(patience); string(m.Payload) != "0104020001" {
			t.Errorf("got %s", m.Payload)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(began); i++ {
		if pause := began[i].Sub(began[i-1]); pause < delay-time.Millisecond {
			t.Errorf("request %d came %v after the one before, want at least %v", i+1, pause, delay)
		}
	}
	if len(began) != requests {
		t.Errorf("%d requests arrived", len(began))
	}
}

// A dead unit on one bus takes time from the other bus of its connection, but not
// from the timeout of the other's requests: all of them are answered.
func TestSharedConnectionWithADeadUnit(t *testing.T) {
	d := newDevice(t)
	app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  dead: {tcp: %q, timeout: 300ms}\n  b: {tcp: %q, timeout: 50ms}\n", d.addr, d.addr))
	in := app.Subscribe("modferry/w/bus/b/response/me", 1)
	silence := app.Subscribe("modferry/w/bus/dead/response/me", 1)
	for round := range 3 {
		for i := range 3 {
			app.Publish("modferry/w/bus/dead/request/me", 1, false, "090400010001")
			app.Publish("modferry/w/bus/b/request/me", 1, false, fmt.Sprintf(`{"id":"%d.%d","unit":1,"function":4,"address":7,"quantity":1}`, round, i))
		}
		for range 3 {
			includes(t, string(in.Next(patience).Payload), `{"ok":true,"values":[7]}`)
			if m := silence.Next(patience); string(m.Payload) != "09840B" {
				t.Errorf("the dead unit answered %s", m.Payload)
			}
		}
	}
}

// Stopping the gateway closes a shared connection, once and for all of its buses.
func TestSharedConnectionIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c, err := l.Accept()
		if err == nil {
			(&device{}).serve(c) // returns when the gateway closes
		}
	}()
	t.Run("gateway", func(t *testing.T) {
		app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  a: {tcp: %q}\n  b: {tcp: %q}\n", l.Addr(), l.Addr()))
		readsWell(t, app, app.Subscribe("modferry/w/bus/b/+/me", 2))
	})
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("the connection is still open")
	}
}
