package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/server"
)

type responder func(ctx context.Context, x server.Exchange) (modbus.PDU, bool, error)

func (f responder) Respond(ctx context.Context, x server.Exchange) (modbus.PDU, bool, error) {
	return f(ctx, x)
}

// dialed serves TCP until the test ends, and returns a connection to it.
func dialed(t *testing.T, f responder) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.New(server.Options{Responder: f}).ServeTCP(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// A responder sees the frame and who sent it; what it sends itself comes after the
// replies to earlier requests, even if all arrive at once, and it can hang up.
func TestResponderOverTCP(t *testing.T) {
	conn := dialed(t, func(_ context.Context, x server.Exchange) (modbus.PDU, bool, error) {
		if x.Client.String() == "" || x.Framing != modbus.TCP {
			t.Errorf("%v, %v", x.Client, x.Framing)
		}
		switch x.Request.Transaction {
		case 1:
			return modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 1}}, true, nil
		case 2:
			return modbus.PDU{}, false, x.Send(x.Frame)
		}
		return modbus.PDU{}, false, server.ErrClose
	})
	say := fromHex(t, "0001 0000 0006 01 03 0000 0001"+"0002 0000 0006 01 03 0000 0001"+"0003 0000 0006 01 03 0000 0001")
	if _, err := conn.Write(say); err != nil {
		t.Fatal(err)
	}
	heard, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if want := fromHex(t, "0001 0000 0005 01 03 02 0001"+"0002 0000 0006 01 03 0000 0001"); !bytes.Equal(heard, want) {
		t.Errorf("heard % X, want % X", heard, want)
	}
}

// The same on a line, which goes on after what would close a connection.
func TestResponderOnALine(t *testing.T) {
	for framing, serve := range map[modbus.Framing]func(*server.Server, context.Context, io.ReadWriteCloser) error{
		modbus.RTU: (*server.Server).ServeRTU, modbus.ASCII: (*server.Server).ServeASCII,
	} {
		s := server.New(server.Options{Responder: responder(func(_ context.Context, x server.Exchange) (modbus.PDU, bool, error) {
			if x.Client != nil || x.Framing != framing {
				t.Errorf("%v, %v", x.Client, x.Framing)
			}
			switch x.Request.Unit {
			case 1:
				return modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 1}}, true, nil
			case 2:
				return modbus.PDU{}, false, x.Send(x.Frame)
			}
			return modbus.PDU{}, false, server.ErrClose
		})})
		l := newLine(t, func(ctx context.Context, port net.Conn) error { return serve(s, ctx, port) })
		l.SetDeadline(time.Now().Add(10 * time.Second))
		frame := func(unit byte, p modbus.PDU) []byte { return framing.Append(nil, modbus.ADU{Unit: unit, PDU: p}) }
		read := modbus.ReadRequest(3, 0, 1)
		for _, unit := range []byte{3, 2, 1} {
			want := map[byte][]byte{1: frame(1, modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 1}}), 2: frame(2, read)}[unit]
			if _, err := l.Write(frame(unit, read)); err != nil {
				t.Fatal(err)
			}
			heard := make([]byte, len(want))
			if _, err := io.ReadFull(l, heard); err != nil || !bytes.Equal(heard, want) {
				t.Errorf("%v unit %d: heard % X, %v; want % X", framing, unit, heard, err, want)
			}
		}
	}
}
