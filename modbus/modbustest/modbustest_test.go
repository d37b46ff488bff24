package modbustest_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// slowCRC is the specification's bit-by-bit procedure, apart from the package under test.
func slowCRC(b []byte) []byte {
	crc := 0xFFFF
	for _, c := range b {
		crc ^= int(c)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			if odd == 1 {
				crc ^= 0xA001
			}
		}
	}
	return []byte{byte(crc), byte(crc >> 8)}
}

// whole writes a case's ADU as its framing wants it, by hand.
func whole(c modbustest.Case) []byte {
	body := append([]byte{c.ADU.Unit, c.ADU.PDU.FunctionCode}, c.ADU.PDU.Data...)
	switch c.Framing {
	case modbus.RTU:
		return append(body, slowCRC(body)...)
	case modbus.TCP:
		return append([]byte{byte(c.ADU.Transaction >> 8), byte(c.ADU.Transaction), 0, 0, 0, byte(len(body))}, body...)
	case modbus.ASCII:
		var sum byte
		for _, x := range body {
			sum -= x
		}
		return []byte(":" + string(bytes.ToUpper([]byte(hex.EncodeToString(append(body, sum))))) + "\r\n")
	}
	return body
}

func TestTheTableAgreesWithItself(t *testing.T) {
	seen := map[string]modbustest.Case{}
	for _, c := range modbustest.Cases() {
		if _, twice := seen[c.Name]; twice {
			t.Errorf("%s: the name is there twice", c.Name)
		}
		seen[c.Name] = c
		switch c.Fault {
		case "", modbustest.WrongRequest, modbustest.NotAllowed:
			if got := whole(c); !bytes.Equal(got, c.Bytes()) {
				t.Errorf("%s: the frame is % X, its ADU gives % X", c.Name, c.Bytes(), got)
			}
		}
	}
	for _, c := range seen {
		if reply, ok := seen[c.Reply]; c.Reply != "" && (!ok || !reply.IsReply() || reply.Framing != c.Framing) {
			t.Errorf("%s: its reply %q is not a reply in its framing", c.Name, c.Reply)
		}
	}
}
