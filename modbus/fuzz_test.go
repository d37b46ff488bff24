package modbus_test

import (
	"bytes"
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

func seed(f *testing.F, framing modbus.Framing) {
	for _, c := range modbustest.Cases() {
		if c.Framing == framing {
			f.Add(c.Bytes())
		}
	}
}

// fuzzFraming: what parses can be written again as it was.
func fuzzFraming(f *testing.F, framing modbus.Framing, canonical func([]byte) []byte) {
	seed(f, framing)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := framing.Parse(b)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if again := framing.Append(nil, a); !bytes.Equal(again, canonical(b)) {
			t.Errorf("% X is %+v, which is written % X", b, a, again)
		}
	})
}

func same(b []byte) []byte { return b }

func FuzzParseRTU(f *testing.F) { fuzzFraming(f, modbus.RTU, same) }

func FuzzParseTCP(f *testing.F) { fuzzFraming(f, modbus.TCP, same) }

func FuzzParseASCII(f *testing.F) {
	fuzzFraming(f, modbus.ASCII, func(b []byte) []byte {
		return append(bytes.ToUpper(bytes.TrimRight(b, "\r\n")), '\r', '\n')
	})
}

func FuzzCheckRequest(f *testing.F) {
	seed(f, modbus.Bare)
	for _, c := range modbustest.Requests(modbus.RTU) {
		f.Add(c.Bytes()[1:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		p := modbus.PDU{FunctionCode: b[0], Data: b[1:]}
		err := modbus.CheckRequest(p)
		if !modbus.HasRequestLength(b) {
			if err == nil {
				t.Errorf("% X has a wrong length and is allowed", b)
			}
			return
		}
		spans := modbus.Spans(p)
		written, _ := modbus.Written(p)
		if err != nil {
			return
		}
		for _, s := range spans {
			if s.Quantity < 1 || s.End() > modbus.AddressSpace {
				t.Errorf("% X is allowed and touches %+v", b, s)
			}
			if s.Write && len(written) != s.Quantity {
				t.Errorf("% X writes %d values to %+v", b, len(written), s)
			}
		}
	})
}

func FuzzCheckReply(f *testing.F) {
	for _, c := range modbustest.Cases() {
		if c.Reply != "" && c.Framing == modbus.RTU {
			f.Add(c.Bytes()[1:], modbustest.Named(c.Reply).Bytes()[1:])
		}
	}
	f.Fuzz(func(t *testing.T, q, r []byte) {
		if len(q) == 0 || len(r) == 0 {
			return
		}
		request, reply := modbus.PDU{FunctionCode: q[0], Data: q[1:]}, modbus.PDU{FunctionCode: r[0], Data: r[1:]}
		if err := modbus.CheckReply(request, reply); err != nil {
			return
		}
		if r[0]&0x7F != q[0] || len(r) > modbus.MaxPDU {
			t.Errorf("% X answers % X", r, q)
		}
		n := modbus.ReplyLength(request, r)
		for cut := range r {
			if got := modbus.ReplyLength(request, r[:cut]); got != modbus.More && got != n {
				t.Errorf("% X: the length after %d bytes is %d, and %d in the end", r, cut, got, n)
			}
		}
	})
}
