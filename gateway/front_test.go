package gateway_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"modferry/modbus"
	"modferry/modbus/server"
)

// front is one address for several servers, as a load balancer or a name with several
// addresses gives it: a connection goes to the first server in order that accepts it.
type front struct {
	addr    string
	servers []string

	mu sync.Mutex
	at int // index of the server that accepted last
}

func newFront(t *testing.T, servers ...string) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{addr: l.Addr().String(), servers: servers}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(t.Context(), c) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return f
}

func (f *front) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	upstream := f.dial()
	if upstream == nil {
		return
	}
	defer upstream.Close()
	end := func() { client.Close(); upstream.Close() }
	defer context.AfterFunc(ctx, end)()
	var copying sync.WaitGroup
	copying.Go(func() { defer end(); _, _ = io.Copy(upstream, client) })
	copying.Go(func() { defer end(); _, _ = io.Copy(client, upstream) })
	copying.Wait()
}

func (f *front) dial() net.Conn {
	for i, address := range f.servers {
		if c, err := net.Dial("tcp", address); err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.at = i
			return c
		}
	}
	return nil
}

func (f *front) server() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[f.at]
}

// ledger is a device whose holding registers remember how often each value was
// written, and whose input registers hold a count of the reads.
type ledger struct {
	addr   string
	mu     sync.Mutex
	reads  uint16
	writes map[uint16]int
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &ledger{addr: l.Addr().String(), writes: map[uint16]int{}}
	s := server.New(server.Options{Handler: server.HandlerFunc(d.answer)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeTCP(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

func (d *ledger) answer(_ byte, p modbus.PDU) (modbus.PDU, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch p.FunctionCode {
	case modbus.WriteSingleRegister:
		d.writes[modbus.Registers(p.Data)[1]]++
		return p, true
	case modbus.ReadInputRegisters:
		d.reads++
		return modbus.PDU{FunctionCode: p.FunctionCode, Data: modbus.AppendRegisters([]byte{2}, d.reads)}, true
	}
	return modbus.ExceptionPDU(p.FunctionCode, modbus.IllegalFunction), true
}

func (d *ledger) written() map[uint16]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	written := map[uint16]int{}
	for value, n := range d.writes {
		written[value] = n
	}
	return written
}
