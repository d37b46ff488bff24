package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/server"
)

// serving runs f until the test ends.
func serving(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
}

func connect(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// exchange says something and hears exactly what is expected.
func exchange(t *testing.T, conn net.Conn, say, want []byte) {
	t.Helper()
	if _, err := conn.Write(say); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("% X: heard % X, %v; want % X", say, got[:n], err, want)
	}
}

func TestServeStream(t *testing.T) {
	for _, framing := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := server.New(server.Options{Handler: exampleDevice(t)})
		serving(t, func(ctx context.Context) error { return s.ServeStream(ctx, ln, framing) })
		question := framing.Append(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0x6B, 3)})
		answer := framing.Append(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{6, 2, 0x2B, 0, 0, 0, 0x64}}})
		one, two := connect(t, ln.Addr()), connect(t, ln.Addr())
		one.Write(question[:3]) // the other's frames do not come between
		exchange(t, two, question, answer)
		exchange(t, one, question[3:], answer)
	}
}

// Who hangs up on purpose does so over TCP, whatever the framing.
func TestStreamIsClosedOnPurpose(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{Responder: responder(func(_ context.Context, x server.Exchange) (modbus.PDU, bool, error) {
		if x.Client == nil || x.Framing != modbus.RTU {
			t.Errorf("%+v", x)
		}
		return modbus.PDU{}, false, server.ErrClose
	})})
	serving(t, func(ctx context.Context) error { return s.ServeStream(ctx, ln, modbus.RTU) })
	conn := connect(t, ln.Addr())
	conn.Write(rtu(1, modbus.ReadRequest(3, 0, 1)))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestServePackets(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{Handler: units{1: exampleDevice(t)}})
	serving(t, func(ctx context.Context) error { return s.ServePackets(ctx, pc) })
	one, two := connect(t, pc.LocalAddr()), connect(t, pc.LocalAddr())
	question := fromHex(t, "0001 0000 0006 01 03 006B 0003")
	answer := fromHex(t, "0001 0000 0009 01 03 06 022B 0000 0064")
	for _, junk := range [][]byte{{}, question[:5], append(question[:12:12], 0), fromHex(t, "0001 0001 0006 01 03 006B 0003"), fromHex(t, "0001 0000 0006 02 03 006B 0003"), make([]byte, 1400)} {
		one.Write(junk)
	}
	exchange(t, one, question, answer)
	exchange(t, two, question, answer)
	one.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := one.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("junk was answered with %d bytes, %v", n, err)
	}
}
