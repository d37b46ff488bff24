package message_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/modbustest"
)

func decode(t *testing.T, payload string, o message.Options) *message.Request {
	t.Helper()
	r, err := message.Decode([]byte(payload), o)
	if err != nil {
		t.Fatalf("Decode(%q): %v", payload, err)
	}
	return r
}

// refuse returns the error of a payload that must be refused.
func refuse(t *testing.T, payload string, o message.Options) *message.Error {
	t.Helper()
	r, err := message.Decode([]byte(payload), o)
	refused, ok := errors.AsType[*message.Error](err)
	if !ok {
		t.Fatalf("Decode(%q) = %+v, %v, want a refusal", payload, r, err)
	}
	return refused
}

func bin(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// asJSON returns a JSON request around a frame's text.
func asJSON(frame string) string {
	quoted, _ := json.Marshal(frame)
	return `{"id":1,"frame":` + string(quoted) + `}`
}

func TestEveryFrameOfTheTableInEveryForm(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault != "" && c.Fault != modbustest.NotAllowed || c.IsReply() {
			continue
		}
		o := message.Options{}
		switch c.ADU.PDU.FunctionCode {
		case modbus.Diagnostics, modbus.ReportServerID: // too short for a strict header
			if c.Framing == modbus.TCP {
				o.Framing = modbus.TCP
			}
		}
		text := map[message.Form]string{message.Hex: c.Text, message.JSON: asJSON(c.Text)}
		switch c.Framing {
		case modbus.ASCII:
			text = map[message.Form]string{message.ASCII: c.Text, message.JSON: asJSON(c.Text)}
		case modbus.RTU, modbus.TCP:
			text[message.Binary] = string(c.Bytes())
		}
		for form, payload := range text {
			r := decode(t, payload, o)
			if !reflect.DeepEqual(r.ADU, c.ADU) || r.Form != form || r.Framing != c.Framing {
				t.Errorf("%s as %s is %+v (%s, %s), want %+v (%s)", c.Name, form, r.ADU, r.Form, r.Framing, c.ADU, c.Framing)
			}
		}
	}
}

func TestTheCRCGoesFirst(t *testing.T) {
	// Also a well-formed MBAP header with function 11 behind it.
	for _, payload := range []string{"010300000002C40B", bin("010300000002C40B")} {
		if r := decode(t, payload, message.Options{}); r.Framing != modbus.RTU || r.PDU.FunctionCode != 3 {
			t.Errorf("%q is %s, %+v", payload, r.Framing, r.ADU)
		}
	}
	// Units whose byte is the first of a JSON text.
	for _, name := range []string{"unit 91, first byte '['", "unit 123, first byte '{'"} {
		if r := decode(t, string(modbustest.Named(name).Bytes()), message.Options{}); r.Form != message.Binary {
			t.Errorf("%s is taken as %s", name, r.Form)
		}
	}
}

func TestVendorFunctions(t *testing.T) {
	frame := func(unit, function byte, data ...byte) string {
		return string(modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: modbus.PDU{FunctionCode: function, Data: data}}))
	}
	vendor, reserved := frame(1, 100, 1, 2), frame(1, 90, 1, 2)
	if r := decode(t, vendor, message.Options{}); r.Form != message.Binary || r.PDU.FunctionCode != 100 {
		t.Errorf("a vendor's function is %+v", r)
	}
	if e := refuse(t, reserved, message.Options{}); e.Code != message.NotAFrame || !strings.Contains(e.Message, "function 90") {
		t.Errorf("a reserved function as bytes: %v", e)
	}
	decode(t, hex.EncodeToString([]byte(reserved)), message.Options{})
	decode(t, reserved, message.Options{Form: message.Binary})

	// All of it is text: with these bytes it can be text with a CRC by chance.
	text := ""
	for a := byte('0'); a < 'z' && text == ""; a++ {
		for b := byte('0'); b < 'z'; b++ {
			if f := frame('0', 'A', a, b); f[len(f)-1] > 32 && f[len(f)-1] < 127 && f[len(f)-2] > 32 && f[len(f)-2] < 127 {
				text = f
				break
			}
		}
	}
	if text == "" {
		t.Fatal("no frame of text found")
	}
	if r, err := message.Decode([]byte(text), message.Options{}); err == nil && r.Form == message.Binary {
		t.Errorf("%q is text and taken as bytes", text)
	}
	decode(t, text, message.Options{Form: message.Binary})
}

func TestBareOnlyWhereTheLengthIsExact(t *testing.T) {
	for _, good := range []string{"010400010002", "010500ACFF00", "01100001000204000A0102", "1107", "01080000A537", "012B0E0100", "111804DE"} {
		r := decode(t, good, message.Options{})
		if r.Framing != modbus.Bare {
			t.Errorf("%s is %s", good, r.Framing)
		}
	}
	for _, bad := range []string{
		"0104000100", "01040001000200", "01100001000204000A01", "01080000A5371234", "012B0D0100", "0541010203", "055A", "01830200",
	} {
		refuse(t, bad, message.Options{})
	}
	for _, o := range []message.Options{{}, {Form: message.Binary}, {Framing: modbus.Bare}} {
		if r := decode(t, bin("010400010002"), o); r.Form != message.Binary || r.Framing != modbus.Bare {
			t.Errorf("bare bytes are %s %s with %+v", r.Form, r.Framing, o)
		}
	}
	for _, bad := range []string{"0104000100", "01040001000200", "0541010203"} {
		refuse(t, bin(bad), message.Options{})
	}
}

func TestSurroundingsOfText(t *testing.T) {
	for _, payload := range []string{
		" 010400010002200B\n", "\r\n010400010002200B\r\n\r\n", "\ufeff010400010002200B", "\t{\"frame\":\"010400010002200B\"}\n", "\ufeff{\"frame\":\" 010400010002200B \"}",
		"\n:010400010002F8\n",
	} {
		if r := decode(t, payload, message.Options{}); r.PDU.FunctionCode != 4 {
			t.Errorf("%q is %+v", payload, r.ADU)
		}
	}
}

func TestABusMayTakeOneFormOnly(t *testing.T) {
	payloads := map[message.Form]string{
		message.Hex:    "010400010002200B",
		message.Binary: bin("010400010002200B"),
		message.JSON:   `{"id":1,"frame":"010400010002200B"}`,
		message.ASCII:  ":010400010002F8\r\n",
	}
	for only := range payloads {
		for form, payload := range payloads {
			r, err := message.Decode([]byte(payload), message.Options{Form: only})
			if (err == nil) != (form == only) {
				t.Errorf("%s on a bus for %s: %+v, %v", form, only, r, err)
			}
			if err == nil && r.Form != only {
				t.Errorf("%s on a bus for %s is taken as %s", form, only, r.Form)
			}
		}
	}
	if e := refuse(t, payloads[message.JSON], message.Options{Form: message.Hex}); string(e.ID) != "1" {
		t.Errorf("JSON on a bus for hex has id %q, want 1", e.ID)
	}
}

func TestABusMayTakeOneFramingOnly(t *testing.T) {
	payloads := map[modbus.Framing]string{
		modbus.RTU: "010400010002200B", modbus.TCP: "000100000006010400010002", modbus.ASCII: ":010400010002F8", modbus.Bare: "010400010002",
	}
	for only := range payloads {
		for framing, payload := range payloads {
			for _, form := range []string{payload, asJSON(payload)} {
				r, err := message.Decode([]byte(form), message.Options{Framing: only})
				if (err == nil) != (framing == only) {
					t.Errorf("%s on a bus for %s: %+v, %v", form, only, r, err)
				}
			}
		}
		fields := `{"unit":1,"function":4,"address":1}`
		if _, err := message.Decode([]byte(fields), message.Options{Framing: only}); err != nil {
			t.Errorf("fields on a bus for %s: %v", only, err)
		}
	}
	// With the framing fixed, short functions behind a header are no longer doubtful.
	for _, payload := range []string{"00010000000211" + "11", bin("0001000000021111")} {
		if r := decode(t, payload, message.Options{Framing: modbus.TCP}); r.PDU.FunctionCode != 17 {
			t.Errorf("%q is %+v", payload, r.ADU)
		}
		refuse(t, payload, message.Options{})
	}
}

func TestUnitsOfASerialLine(t *testing.T) {
	read, write := "04 0001 0002", "06 0001 0003"
	line, open := message.Options{SerialLine: true}, message.Options{SerialLine: true, Broadcast: true}
	for _, test := range []struct {
		payload string
		o       message.Options
		want    message.Code
	}{
		{"01" + read, line, ""}, {"F7" + read, line, ""}, {"F8" + read, line, message.BadUnit}, {"FF" + write, open, message.BadUnit},
		{"00" + read, line, message.Broadcast}, {"00" + read, open, message.Broadcast},
		{"00" + write, line, message.Broadcast}, {"00" + write, open, ""},
		{"00" + "05 0001 FF00", open, ""}, {"00" + "0F 0001 0001 01 01", open, ""}, {"00" + "10 0001 0001 02 0001", open, ""},
		{"00" + "16 0001 0000 0001", open, ""},
		{"00" + "17 0001 0001 0001 0001 02 0001", open, message.Broadcast}, {"00" + "2B 0E 01 00", open, message.Broadcast},
		{"00" + read, message.Options{}, ""}, {"FF" + write, message.Options{}, ""},
		{`{"unit":248,"function":4,"address":1}`, line, message.BadUnit},
		{`{"unit":0,"function":4,"address":1}`, open, message.Broadcast},
	} {
		payload := strings.ReplaceAll(test.payload, " ", "")
		r, err := message.Decode([]byte(payload), test.o)
		refused, _ := errors.AsType[*message.Error](err)
		switch {
		case refused == nil && test.want != "" || refused != nil && refused.Code != test.want:
			t.Errorf("%s with %+v: %v, want %q", payload, test.o, err, test.want)
		case refused == nil && r.IsBroadcast() != (r.Unit == 0 && test.o.SerialLine):
			t.Errorf("%s with %+v: IsBroadcast is %v", payload, test.o, r.IsBroadcast())
		}
	}
}

func TestDecodeKeepsNothingOfThePayload(t *testing.T) {
	for _, text := range []string{bin("01100001000204000A01029230"), "01100001000204000A01029230", `{"id":"abc","frame":"01100001000204000A01029230"}`} {
		payload := []byte(text)
		r, err := message.Decode(payload, message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range payload {
			payload[i] = 'x'
		}
		if !reflect.DeepEqual(r.PDU, modbus.WriteRegistersRequest(1, []uint16{10, 258})) || r.ID != nil && string(r.ID) != `"abc"` {
			t.Errorf("%q changed with its payload: %+v", text, r)
		}
	}
}

func TestFormNames(t *testing.T) {
	for _, form := range []message.Form{message.Auto, message.Hex, message.Binary, message.JSON, message.ASCII, message.Line} {
		if back, ok := message.FormByName(form.String()); !ok || back != form {
			t.Errorf("%s is %v", form, back)
		}
	}
	if f, ok := message.FormByName("text"); ok {
		t.Errorf("an unknown form is %s", f)
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, payload := range map[string]string{
		"hex": "010400010002200B", "binary": bin("010400010002200B"), "json": `{"id":7,"unit":1,"function":4,"address":1,"quantity":2}`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := message.Decode([]byte(payload), message.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
