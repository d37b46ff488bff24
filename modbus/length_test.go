package modbus_test

import (
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// Both length functions must say More until the length is in sight, and then the
// length, whatever follows: that is how a stream finds the end of a message.
func TestLengthsOfEveryPrefix(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault != "" || c.Reply == "" || c.Framing != modbus.RTU || c.ADU.PDU.FunctionCode == 65 {
			continue
		}
		request := c.Bytes()[1:]
		reply := modbustest.Named(c.Reply).Bytes()[1:]
		pdu := c.ADU.PDU
		if c.Name != "loopback of two words" { // its length is not in its bytes
			prefixes(t, c.Name, request, len(request)-2, modbus.RequestLength)
		}
		prefixes(t, c.Reply, reply, len(reply)-2, func(p []byte) int { return modbus.ReplyLength(pdu, p) })
	}
}

func prefixes(t *testing.T, name string, b []byte, want int, length func([]byte) int) {
	t.Helper()
	known := false
	for n := range len(b) + 1 {
		switch got := length(b[:n]); {
		case got == want:
			known = true
		case got != modbus.More || known || n >= want:
			t.Errorf("%s: the length after %d bytes is %d, want %d", name, n, got, want)
		}
	}
}

func TestLengthIsKnownFromTheFirstBytes(t *testing.T) {
	for _, test := range []struct {
		function       byte
		request, reply int // bytes needed to know the length
	}{
		{1, 1, 2}, {2, 1, 2}, {3, 1, 2}, {4, 1, 2}, {5, 1, 1}, {6, 1, 1}, {7, 1, 1}, {8, 1, 1}, {11, 1, 1}, {12, 1, 2}, {15, 6, 1}, {16, 6, 1},
		{17, 1, 2}, {20, 2, 2}, {21, 2, 2}, {22, 1, 1}, {23, 10, 2}, {24, 1, 3},
	} {
		p := append([]byte{test.function}, make([]byte, 20)...)
		for n := range p {
			if got := modbus.RequestLength(p[:n]); (got != modbus.More) != (n >= test.request) {
				t.Errorf("function %d: RequestLength of %d bytes = %d", test.function, n, got)
			}
			if got := modbus.ReplyLength(modbus.PDU{}, p[:n]); (got != modbus.More) != (n >= test.reply) {
				t.Errorf("function %d: ReplyLength of %d bytes = %d", test.function, n, got)
			}
		}
	}
}

func TestLengthsThatOnlySilenceEnds(t *testing.T) {
	for code := 1; code < 128; code++ {
		p := []byte{byte(code), 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		open := !modbus.IsStandard(byte(code)) || code == 43 // MEI type 13 is not described by the standard
		if got := modbus.RequestLength(p); (got == modbus.Open) != open {
			t.Errorf("function %d: RequestLength = %d", code, got)
		}
		if got := modbus.ReplyLength(modbus.PDU{FunctionCode: byte(code), Data: p[1:]}, p); (got == modbus.Open) != open {
			t.Errorf("function %d: ReplyLength = %d", code, got)
		}
		if got := modbus.ReplyLength(modbus.PDU{}, []byte{byte(code) | 0x80}); got != 2 {
			t.Errorf("exception of function %d: ReplyLength = %d, want 2", code, got)
		}
	}
}

func TestDiagnosticsLengths(t *testing.T) {
	for _, test := range []struct {
		pdu  []byte
		good bool
	}{
		{[]byte{8, 0, 0}, false},
		{[]byte{8, 0, 0, 1}, false},
		{[]byte{8, 0, 0, 1, 2}, true},
		{[]byte{8, 0, 0, 1, 2, 3}, false},
		{[]byte{8, 0, 0, 1, 2, 3, 4}, true},
		{[]byte{8, 0, 10, 0, 0}, true},
		{[]byte{8, 0, 10, 0, 0, 0, 0}, false},
	} {
		if got := modbus.HasRequestLength(test.pdu); got != test.good {
			t.Errorf("HasRequestLength(% X) = %v", test.pdu, got)
		}
	}
	loopback := modbus.PDU{FunctionCode: 8, Data: make([]byte, 200)}
	if got := modbus.ReplyLength(loopback, []byte{8}); got != 201 {
		t.Errorf("the reply to a loopback of 201 bytes has %d", got)
	}
}

func TestIdentificationLengthWalksItsObjects(t *testing.T) {
	head := []byte{43, 14, 1, 1, 0, 0}
	for _, test := range []struct {
		objects []byte
		want    int
	}{
		{nil, modbus.More},
		{[]byte{0}, 7},
		{[]byte{1}, modbus.More},
		{[]byte{1, 0}, modbus.More},
		{[]byte{1, 0, 0}, 9},
		{[]byte{1, 0, 3}, 12},
		{[]byte{2, 0, 1, 'x'}, modbus.More},
		{[]byte{2, 0, 1, 'x', 1, 2}, 14},
	} {
		p := append(append([]byte{}, head...), test.objects...)
		if got := modbus.ReplyLength(modbus.PDU{}, p); got != test.want {
			t.Errorf("ReplyLength(% X) = %d, want %d", p, got, test.want)
		}
	}
}

// No reply of the table is longer than what its request lets expect, and where that is
// all the request allows, it is exactly as long.
func TestLongestReply(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault != "" || c.Reply == "" {
			continue
		}
		reply := modbustest.Named(c.Reply).ADU.PDU
		got, longest := 1+len(reply.Data), modbus.LongestReply(c.ADU.PDU)
		switch c.ADU.PDU.FunctionCode {
		case modbus.GetCommEventLog, modbus.ReportServerID, modbus.ReadFileRecord, modbus.WriteFileRecord, modbus.ReadFIFOQueue, modbus.EncapsulatedInterface, 65:
			if longest < got || longest <= 5 {
				t.Errorf("%s: at most %d bytes, its reply has %d", c.Name, longest, got)
			}
		default:
			if modbus.AsException(reply) == nil && longest != got {
				t.Errorf("%s: at most %d bytes, its reply has %d", c.Name, longest, got)
			}
		}
	}
	for request, want := range map[string]int{"\x18\x00\x01": 67, "\x41\x01": modbus.MaxPDU, "\x11": modbus.MaxPDU, "\x01\x00\x00\x07\xD0": 252, "\x04\x00\x00\xFF\xFF": modbus.MaxPDU} {
		if got := modbus.LongestReply(modbus.PDU{FunctionCode: request[0], Data: []byte(request[1:])}); got != want {
			t.Errorf("% X: at most %d bytes, want %d", request, got, want)
		}
	}
}

func TestSizeOfFrames(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII, modbus.TCP, modbus.Bare} {
		for n := 1; n <= modbus.MaxPDU; n++ {
			a := modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 65, Data: make([]byte, n-1)}}
			if got := len(f.Append(nil, a)); f.Size(n) != got {
				t.Errorf("%v of a PDU of %d bytes: size %d, it has %d", f, n, f.Size(n), got)
			}
		}
	}
}
