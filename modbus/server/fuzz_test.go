package server_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"testing/synctest"

	"modferry/modbus"
	"modferry/modbus/modbustest"
	"modferry/modbus/server"
)

// Whatever a device is asked, it answers with the shape of a reply to that, or with one of the exceptions.
func FuzzHandle(f *testing.F) {
	for _, c := range modbustest.Cases() {
		f.Add(c.ADU.PDU.FunctionCode, c.ADU.PDU.Data)
	}
	f.Add(byte(0x2B), []byte{0x0E, 3, 0x80})
	d := exampleDevice(f)
	f.Fuzz(func(t *testing.T, function byte, data []byte) {
		if len(data) >= modbus.MaxPDU {
			t.Skip()
		}
		request := modbus.PDU{FunctionCode: function, Data: data}
		reply, ok := d.Handle(1, request)
		if !ok {
			d.Handle(1, modbus.PDU{FunctionCode: 8, Data: []byte{0, 1, 0, 0}}) // it was told to listen only
			return
		}
		if len(reply.Data) >= modbus.MaxPDU {
			t.Fatalf("a reply of %d bytes", len(reply.Data)+1)
		}
		if e := modbus.AsException(reply); e != nil {
			if e.ExceptionCode < 1 || e.ExceptionCode > 4 || function < 128 && e.FunctionCode != function {
				t.Fatalf("exception %+v to function %d", e, function)
			}
			return
		}
		if err := modbus.CheckReply(request, reply); err != nil {
			t.Fatalf("%02X % X answered with % X: %v", function, data, reply.Data, err)
		}
		if err := modbus.CheckRequest(request); err != nil {
			t.Fatalf("%02X % X was done: %v", function, data, err)
		}
	})
}

var (
	lastRequest = modbus.ADU{Unit: 17, PDU: modbus.ReadRequest(modbus.ReadInputRegisters, 1, 2)}
	lastReply   = modbus.ADU{Unit: 17, PDU: modbus.PDU{FunctionCode: modbus.ReadInputRegisters, Data: []byte{4, 1, 0x31, 2, 0x22}}}
)

// converse says something and, after a silence, the last request, and returns what
// was heard before and after that.
func converse(t *testing.T, framing modbus.Framing, said []byte) (before, after []byte) {
	synctest.Test(t, func(t *testing.T) {
		s := server.New(server.Options{Handler: units{17: server.HandlerFunc(func(_ byte, q modbus.PDU) (modbus.PDU, bool) {
			if q.FunctionCode == modbus.ReadInputRegisters {
				return lastReply.PDU, true
			}
			return modbus.ExceptionPDU(q.FunctionCode, modbus.IllegalFunction), true
		})}})
		serve := s.ServeRTU
		if framing == modbus.ASCII {
			serve = s.ServeASCII
		}
		l := newLine(t, func(ctx context.Context, port net.Conn) error { return serve(ctx, port) })
		go l.Write(said) // it is heard while it is said
		before = fromHex(t, l.hear())
		l.say(framing.Append(nil, lastRequest))
		after = fromHex(t, l.hear())
	})
	return before, after
}

// Whatever is said on a line, what is answered are whole frames of the unit that is
// there, and afterwards a request is answered as ever.
func FuzzServeRTU(f *testing.F) {
	for _, c := range modbustest.Cases() {
		f.Add(c.Bytes())
	}
	f.Add(bytes.Repeat([]byte{17, 16}, 400))
	f.Fuzz(func(t *testing.T, said []byte) {
		before, after := converse(t, modbus.RTU, said)
		if !bytes.Equal(after, modbus.AppendRTU(nil, lastReply)) {
			t.Errorf("after % X the request was answered with % X", said, after)
		}
		for rest := before; len(rest) > 0; {
			n := 5 // an exception
			if len(rest) > 1 && rest[1] == modbus.ReadInputRegisters {
				n = 9
			}
			if a, err := modbus.ParseRTU(rest[:min(n, len(rest))]); err != nil || a.Unit != 17 {
				t.Fatalf("% X was answered with % X", said, before)
			}
			rest = rest[n:]
		}
	})
}

// The same for ASCII.
func FuzzServeASCII(f *testing.F) {
	f.Add([]byte(":110400010002E8\r\n"))
	f.Add([]byte("::\r\n:01\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		before, after := converse(t, modbus.ASCII, said)
		if !bytes.Equal(after, modbus.AppendASCII(nil, lastReply)) {
			t.Errorf("after %q the request was answered with %q", said, after)
		}
		for line := range bytes.Lines(before) {
			if a, err := modbus.ParseASCII(line); err != nil || a.Unit != 17 {
				t.Fatalf("%q was answered with %q", said, before)
			}
		}
	})
}
