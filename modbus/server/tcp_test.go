package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/modbustest"
	"modferry/modbus/server"
)

const patience = 10 * time.Second // for what must come

// listen serves TCP until the test ends and returns the address.
func listen(t testing.TB, o server.Options) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.New(o).ServeTCP(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return ln.Addr().String()
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

func write(t testing.TB, conn net.Conn, frames ...string) {
	t.Helper()
	for _, text := range frames {
		if _, err := conn.Write(fromHex(t, text)); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(fromHex(t, want)))
	if n, err := io.ReadFull(conn, b); err != nil || !bytes.Equal(b, fromHex(t, want)) {
		t.Fatalf("received % X, %v; want %s", b[:n], err, want)
	}
}

func expectClosed(t testing.TB, conn net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(conn); len(b) > 0 || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Fatalf("received % X, %v; want the connection closed", b, err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestTCPExamples(t *testing.T) {
	d := exampleDevice(t)
	conn := dial(t, listen(t, server.Options{Handler: d}))
	for _, name := range []string{"TCP read coils", "TCP write single coil", "TCP loopback"} {
		c := modbustest.Named(name)
		write(t, conn, c.Text)
		expect(t, conn, modbustest.Named(c.Reply).Text)
	}
}

const (
	tcpRead      = "0007 0000 0006 01 04 0001 0002"
	tcpReadReply = "0007 0000 0007 01 04 04 0131 0222"
)

func TestTCPFraming(t *testing.T) {
	address := listen(t, server.Options{Handler: units{1: exampleDevice(t)}})
	t.Run("pipelined", func(t *testing.T) {
		conn := dial(t, address)
		write(t, conn, "0001 0000 0006 01 04 0001 0001"+"0002 0000 0006 02 04 0001 0001"+"0003 0000 0006 01 04 0002 0001"+"0004 0000 0002 01 41")
		expect(t, conn, "0001 0000 0005 01 04 02 0131"+"0003 0000 0005 01 04 02 0222"+"0004 0000 0003 01 C1 01")
	})
	t.Run("byte by byte", func(t *testing.T) {
		conn := dial(t, address)
		for _, b := range fromHex(t, tcpRead) {
			if _, err := conn.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, conn, tcpReadReply)
	})
	for name, broken := range map[string]string{
		"protocol id":            "0007 0001 0006 01 04 0001 0002",
		"length 1":               "0007 0000 0001 01",
		"length 255":             "0007 0000 00FF 01",
		"text":                   "474554202F20485454502F312E31",
		"broken after a request": tcpRead + "0007 FFFF 0006 01 04 0001 0002",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, address)
			write(t, conn, broken)
			if name == "broken after a request" {
				expect(t, conn, tcpReadReply)
			}
			expectClosed(t, conn)
		})
	}
}

// Many requests in flight on many connections, from clients that read only after
// they wrote everything: each gets its own replies, in order.
func TestTCPManyInFlight(t *testing.T) {
	address := listen(t, server.Options{Handler: exampleDevice(t)})
	var all sync.WaitGroup
	for range 8 {
		conn := dial(t, address)
		all.Go(func() {
			const n = 500
			var out []byte
			for i := range uint16(n) {
				out = modbus.AppendTCP(out, modbus.ADU{Transaction: i, Unit: 1, PDU: modbus.ReadRequest(3, i%100, 1+i%100)})
			}
			if _, err := conn.Write(out); err != nil {
				t.Error(err)
				return
			}
			for i := range uint16(n) {
				head := make([]byte, 9)
				if _, err := io.ReadFull(conn, head); err != nil {
					t.Error(err)
					return
				}
				if id := binary.BigEndian.Uint16(head); id != i || int(head[8]) != 2*int(1+i%100) {
					t.Errorf("reply %d has id %d and %d bytes", i, id, head[8])
					return
				}
				if _, err := io.CopyN(io.Discard, conn, int64(head[8])); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestTCPTooManyConnections(t *testing.T) {
	address := listen(t, server.Options{Handler: exampleDevice(t), MaxConnections: 2})
	first, second := dial(t, address), dial(t, address)
	for _, conn := range []net.Conn{first, second} {
		write(t, conn, tcpRead)
		expect(t, conn, tcpReadReply)
	}
	expectClosed(t, dial(t, address))
	first.Close()
	for deadline := time.Now().Add(patience); ; { // its place becomes free
		conn := dial(t, address)
		write(t, conn, tcpRead)
		if _, err := io.ReadFull(conn, make([]byte, 13)); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		conn.Close()
	}
}

func TestTCPIdle(t *testing.T) {
	conn := dial(t, listen(t, server.Options{Handler: exampleDevice(t), Idle: 50 * time.Millisecond}))
	write(t, conn, tcpRead)
	expect(t, conn, tcpReadReply)
	expectClosed(t, conn)
}

func TestTCPEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.New(server.Options{Handler: exampleDevice(t)}).ServeTCP(ctx, ln) }()
	conn := dial(t, ln.Addr().String())
	write(t, conn, tcpRead)
	expect(t, conn, tcpReadReply)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	expectClosed(t, conn)
}

func TestTCPListenerThatFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := server.New(server.Options{Handler: exampleDevice(t)}).ServeTCP(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// A handler's reply that no frame can carry is an exception, not a broken frame.
func TestReplyThatIsTooLong(t *testing.T) {
	conn := dial(t, listen(t, server.Options{Handler: server.HandlerFunc(func(byte, modbus.PDU) (modbus.PDU, bool) {
		return modbus.PDU{FunctionCode: 4, Data: make([]byte, 253)}, true
	})}))
	write(t, conn, tcpRead)
	expect(t, conn, "0007 0000 0003 01 84 04")
}

// One connection, one request after the other.
func BenchmarkTCP(b *testing.B) {
	d := exampleDevice(b)
	conn := dial(b, listen(b, server.Options{Handler: d}))
	if err := conn.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	for name, quantity := range map[string]uint16{"1 register": 1, "100 registers": 100} {
		b.Run(name, func(b *testing.B) {
			request := modbus.AppendTCP(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, quantity)})
			reply := make([]byte, 9+2*quantity)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, reply); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

func BenchmarkHandle(b *testing.B) {
	d := exampleDevice(b)
	for name, request := range map[string]modbus.PDU{
		"read 1":   modbus.ReadRequest(3, 0, 1),
		"read 125": modbus.ReadRequest(3, 0, 125),
		"write 1":  modbus.WriteRegisterRequest(0, 1),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Handle(1, request)
			}
		})
	}
}
