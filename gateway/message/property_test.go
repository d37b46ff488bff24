package message_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// drawRequest returns a request of a standard function with a length that it can have.
func drawRequest(t *rapid.T) modbus.ADU {
	c := rapid.SampledFrom(modbustest.Requests(modbus.RTU)).Draw(t, "like")
	a := c.ADU
	a.Unit = rapid.Byte().Draw(t, "unit")
	n := rapid.IntRange(0, 100).Draw(t, "words")
	address := rapid.Uint16().Draw(t, "address")
	values := rapid.SliceOfN(rapid.Uint16(), n, n).Draw(t, "values")
	switch a.PDU.FunctionCode {
	case 1, 2, 3, 4, 6:
		a.PDU.Data = modbus.AppendRegisters(nil, address, rapid.Uint16().Draw(t, "quantity or value"))
	case modbus.WriteMultipleRegisters:
		a.PDU = modbus.WriteRegistersRequest(address, values)
	case modbus.ReadWriteRegisters:
		a.PDU = modbus.ReadWriteRequest(address, address, address, values)
	case 65:
		a.PDU = modbus.PDU{FunctionCode: modbus.ReadExceptionStatus, Data: []byte{}}
	}
	return a
}

func drawHex(t *rapid.T, b []byte) string {
	digits := hex.EncodeToString(b)
	if rapid.Bool().Draw(t, "upper") {
		digits = strings.ToUpper(digits)
	}
	separator := rapid.SampledFrom([]string{"", " ", ",", ", ", "-", ":", "\t", "\n"}).Draw(t, "separator")
	prefix := rapid.SampledFrom([]string{"", "0x"}).Draw(t, "prefix")
	size := 2 * rapid.IntRange(1, 4).Draw(t, "bytes in a group")
	var groups []string
	for len(digits) > size && separator != "" {
		groups = append(groups, prefix+digits[:size])
		digits = digits[size:]
	}
	return strings.Join(append(groups, prefix+digits), separator)
}

func TestAnyRequestDecodesAlikeInEveryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRequest(t)
		frame := modbus.AppendRTU(nil, want)
		text := drawHex(t, frame)
		for form, payload := range map[message.Form][]byte{message.Binary: frame, message.Hex: []byte(text), message.JSON: []byte(asJSON(text))} {
			if len(payload) > message.MaxPayload {
				continue
			}
			r, err := message.Decode(payload, message.Options{})
			if err != nil {
				t.Fatalf("%s %q: %v", form, payload, err)
			}
			if r.Form != form || r.Framing != modbus.RTU || r.Unit != want.Unit || !reflect.DeepEqual(r.PDU, want.PDU) {
				t.Fatalf("%s %q is %s %s %+v, want %+v", form, payload, r.Form, r.Framing, r.ADU, want)
			}
		}
	})
}

func TestHexTextIsNeverTakenForBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawHex(t, rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "bytes"))
		if r, err := message.Decode([]byte(text), message.Options{}); err == nil && r.Form != message.Hex {
			t.Fatalf("%q is taken as %s", text, r.Form)
		}
	})
}

// mirror answers a request with itself, as functions 5 and 6 do.
func mirror(r *message.Request) []byte { return r.Reply(message.Result{Reply: r.PDU}) }

func FuzzDecode(f *testing.F) {
	for _, c := range modbustest.Cases() {
		f.Add(c.Bytes(), byte(0), byte(0))
		f.Add([]byte(c.Text), byte(0), byte(c.Framing))
		f.Add([]byte(asJSON(c.Text)), byte(0), byte(0))
	}
	for _, text := range []string{
		"01 04 00 01 00 02 20 0b", "0x01,0x04,0x00,0x01,0x00,0x02", ":010400010002F8\r\n", "[object ArrayBuffer]", "1,3,0,0", "\x01\x04\xef\xbf\xbd\x01",
		`{"id":7,"unit":1,"function":"read_input_registers","address":1,"quantity":2,"timeout_ms":100,"expires":"2026-11-23T18:00:00Z"}`,
		`{"id":"a","unit":1,"function":23,"address":1,"write_address":2,"values":[1,-1],"expires":1795456800500}`,
		`{"id":1,"unit":0,"function":15,"address":1,"values":[true,0]}`,
	} {
		f.Add([]byte(text), byte(0), byte(0))
	}
	f.Fuzz(func(t *testing.T, payload []byte, form, framing byte) {
		o := message.Options{Form: message.Form(form % 5), Framing: modbus.Framing(framing % 5)}
		before := bytes.Clone(payload)
		r, err := message.Decode(payload, o)
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
		if err != nil {
			refused, ok := err.(*message.Error)
			if !ok || refused.Code == "" || refused.Message == "" {
				t.Fatalf("%q: the error %#v does not tell", payload, err)
			}
			refused.Reply()
			return
		}
		if r.PDU.FunctionCode == 0 || r.PDU.FunctionCode > 127 {
			t.Fatalf("%q is a request of function %d", payload, r.PDU.FunctionCode)
		}
		reply := mirror(r)
		if r.Form == message.JSON {
			return
		}
		again, err := message.Decode(reply, o)
		if err != nil {
			t.Fatalf("%q mirrored is %q: %v", payload, reply, err)
		}
		if !reflect.DeepEqual(again.ADU, r.ADU) || again.Form != r.Form || again.Framing != r.Framing {
			t.Fatalf("%q is %+v, mirrored %q is %+v", payload, r, reply, again)
		}
		if twice := mirror(again); !bytes.Equal(twice, reply) {
			t.Fatalf("%q is mirrored %q, and that %q", payload, reply, twice)
		}
	})
}
