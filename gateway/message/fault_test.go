package message_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// Broken frames get the same code as bytes and as hex digits, and never a request.
func TestBrokenFramesOfTheTable(t *testing.T) {
	codes := map[modbustest.Fault]message.Code{
		modbustest.WrongCheck: message.BadCRC, modbustest.WrongLength: message.BadLength, modbustest.WrongRequest: message.BadLength,
	}
	differently := map[string]message.Code{
		"RTU truncated request":         message.BadLength,
		"RTU one byte too many":         message.BadLength,
		"RTU misprinted humidity reply": message.BadLength,
		"RTU of no bytes":               message.Empty,
		"TCP protocol id 1":             message.BadLength,
		"TCP length 1":                  message.BadLength,
		"TCP length 255":                message.BadLength,
		"ASCII odd digits":              message.NotAFrame,
		"ASCII not a digit":             message.NotAFrame,
	}
	for _, c := range modbustest.Cases() {
		want := codes[c.Fault]
		if other, ok := differently[c.Name]; ok {
			want = other
		}
		switch {
		case c.Fault == "" || c.Fault == modbustest.NotAllowed,
			c.Name == "RTU without its CRC", // as hex digits that is a bare frame
			c.Name == "ASCII without colon", // and this a bare frame with a byte too many
			c.Framing == modbus.TCP && len(c.Text) < 8:
			continue
		}
		payloads := []string{c.Text}
		if c.Framing != modbus.ASCII {
			payloads = append(payloads, string(c.Bytes()))
		}
		for _, payload := range payloads {
			if e := refuse(t, payload, message.Options{}); e.Code != want {
				t.Errorf("%s: %v, want %s", c.Name, e, want)
			}
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, test := range []struct {
		payload string
		code    message.Code
		says    string
	}{
		{"", message.Empty, "empty"},
		{" \r\n", message.Empty, "empty"},
		{strings.Repeat("01", 513), message.TooLarge, "1026 bytes"},

		// How hex goes wrong.
		{"01040001000", message.NotAFrame, "11 hex digits in a row are not a whole number of bytes"},
		{"1 4 0 1 0 2", message.NotAFrame, "write each byte with two, such as 01"},
		{"0x1,0x4", message.NotAFrame, "write each byte with two"},
		{"010400O10002", message.NotAFrame, "'O' at position 7"},
		{"0104;0001", message.NotAFrame, "';' at position 5"},
		{"hello", message.NotAFrame, "'h' at position 1"},
		{`"010400010002200B"`, message.NotAFrame, "quotation marks"},
		{"AQQAAQACIAs=", message.NotAFrame, "base64"},

		// How bytes go wrong in JavaScript and in tools.
		{"\x01\x04\x00\xef\xbf\xbd\x00\x02", message.NotAFrame, "turned into text on the way"},
		{"01\xef\xbf\xbd", message.NotAFrame, "turned into text on the way"},
		{"[object ArrayBuffer]", message.NotAFrame, "buffer turned into text"},
		{"[object Object]", message.NotAFrame, "buffer turned into text"},
		{"1,3,0,0,0,2,196,11", message.NotAFrame, "buffer turned into text"},
		{"[1,3,0,0,0,2,196,11]", message.NotAFrame, "buffer turned into text"},
		{`{"type":"Buffer","data":[1,3,0,0]}`, message.BadJSON, "buffer turned into text"},
		{`{"0":1,"1":3,"2":0}`, message.BadJSON, "buffer turned into text"},
		{"\x01", message.BadLength, "without 0x and commas"},
		{"\x01\x04\x00", message.BadLength, "without 0x and commas"},
		{"01", message.BadLength, "one byte is too little"},
		{"0104", message.BadLength, "2 bytes are too few: a request of function 4 (read_input_registers) has 6, or 8 with its CRC"},
		{"010400", message.BadLength, "3 bytes are too few: a request of function 4 (read_input_registers) has 6, or 8 with its CRC"},
		{"0110", message.BadLength, "the request of function 16 (write_multiple_registers) ends too early, after 2 bytes"},
		{"010700", message.BadLength, "a request of function 7 (read_exception_status) has 2, or 4 with its CRC"},
		{"0184", message.BadLength, "the function code is 84"},

		// Check codes.
		{"010400010002200C", message.BadCRC, "the frame ends with 20 0C, its bytes give 20 0B"},
		{bin("010400010002200C"), message.BadCRC, "the frame ends with 20 0C, its bytes give 20 0B"},
		{"0104000100020B20", message.BadCRC, "swapped, the low byte goes first"},
		{":010400010002F9", message.BadCRC, "LRC"},
		{"0541010203EC9E", message.BadCRC, "its bytes give EC 9D"},
		{"0001000000021111", message.BadCRC, "set the bus's framing to TCP"},

		// Lengths.
		{"0104000100", message.BadLength, "has 6 bytes, or 8 with its CRC; this has 5"},
		{"01040001000220", message.BadLength, "has 6 bytes, or 8 with its CRC; this has 7"},
		{bin("010400010002200BFF"), message.BadLength, "this has 9"},
		{"010400010002200B00", message.BadLength, "has 8 bytes, this has 9"},
		{"0110000100", message.BadLength, "function 16 (write_multiple_registers) ends too early"},
		{"01100001000204000A0102923000", message.BadLength, "has 13 bytes, this has 14"},
		{"000100000006010400010002FF", message.BadLength, "TCP frame of 13 bytes: it must have 12"},
		{bin("0001000000060104000100"), message.BadLength, "TCP frame of 11 bytes: it must have 12"},
		{strings.Repeat("01", 300), message.BadLength, "300 bytes"},

		// Replies are no requests.
		{"01040201317974", message.BadLength, "this is a reply of function 4 (read_input_registers)"},
		{bin("010404013102222ACE"), message.BadLength, "this is a reply of function 4"},
		{"0104020131", message.BadLength, "this looks like a reply of function 4"},
		{"01830AC137", message.NotAFrame, "unit 1 answers exception 10 (gateway path unavailable) to function 3"},
		{bin("01830AC137"), message.NotAFrame, "this is a reply"},
		{"000100000003018402", message.NotAFrame, "this is a reply"},
		{":01840279", message.NotAFrame, "this is a reply"},
		{"0100000000", message.NotAFrame, "function code is 00"},
		{"0183020000", message.NotAFrame, "function code is 83"},

		// Broken JSON.
		{"{", message.BadJSON, "ends too early"},
		{`{"id":1,"frame":"01"`, message.BadJSON, "ends too early"},
		{`{"frame":01}`, message.BadJSON, "broken at byte"},
		{`{frame:"01"}`, message.BadJSON, "broken at byte"},
		{"{\"id\":1,\"frame\":\"\xff\"}", message.BadJSON, "UTF-8"},
		{"{}", message.BadJSON, `"function" is missing`},
		{"[]", message.BadJSON, "one JSON object"},
	} {
		e := refuse(t, test.payload, message.Options{})
		if e.Code != test.code || !strings.Contains(e.Message, test.says) {
			t.Errorf("%q: %v, want %s with %q", test.payload, e, test.code, test.says)
		}
	}
}

func TestTheErrorTellsWhatABusTakes(t *testing.T) {
	for _, test := range []struct {
		o       message.Options
		payload string
		says    string
	}{
		{message.Options{Framing: modbus.RTU}, "000100000006010400010002", "takes RTU frames only, and this is a TCP frame"},
		{message.Options{Framing: modbus.TCP}, "010400010002200B", "takes TCP frames only, and this is an RTU frame"},
		{message.Options{Framing: modbus.RTU}, "010400010002", "takes RTU frames only, and this has no check code"},
		{message.Options{Framing: modbus.RTU}, ":010400010002F8", "takes RTU frames only, and this is an ASCII frame"},
		{message.Options{Form: message.Binary}, "010400010002200B", "takes binary payloads only"},
		{message.Options{Form: message.Hex}, ":010400010002F8", "takes hex digits only"},
		{message.Options{Form: message.JSON}, "010400010002200B", "takes JSON only"},
		{message.Options{Form: message.ASCII}, "010400010002200B", "takes ASCII frames only"},
	} {
		if e := refuse(t, test.payload, test.o); !strings.Contains(e.Message, test.says) {
			t.Errorf("%q with %+v: %v, want %q", test.payload, test.o, e, test.says)
		}
	}
}

func TestReport(t *testing.T) {
	at := time.Date(2026, 11, 23, 19, 0, 0, 123_456_789, time.FixedZone("", 3600))
	e := refuse(t, "0104000100 02 200C", message.Options{})
	want := `{"code":"bad_crc","message":"wrong CRC: the frame ends with 20 0C, its bytes give 20 0B",` +
		`"payload":"0104000100 02 200C","topic":"modferry/g/bus/b/request","time":"2026-11-23T18:00:00.123Z"}`
	if got := e.Report([]byte("0104000100 02 200C"), "modferry/g/bus/b/request", at); string(got) != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	retained := &message.Error{Code: message.Retained}
	if got := string(retained.Report([]byte("x"), "t", at)); !strings.Contains(got, "retain") {
		t.Errorf("an error without message reports %s", got)
	}
}

func TestReportShowsThePayload(t *testing.T) {
	long := strings.Repeat("ä", 600)
	for payload, want := range map[string]string{
		"hello <b>&":                "hello <b>&",
		"line\nbreak":               "line\nbreak",
		"\x01\x04\xff":              "0104FF",
		"":                          "",
		long:                        long[:256] + "…",
		"x" + long:                  "x" + long[:254] + "…",
		strings.Repeat("\xfe", 999): strings.Repeat("FE", 128) + "…",
	} {
		var report struct{ Payload string }
		e := &message.Error{Code: message.TooLarge, Message: "m"}
		raw := e.Report([]byte(payload), "t", time.Now())
		if err := json.Unmarshal(raw, &report); err != nil || report.Payload != want {
			t.Errorf("payload %.20q is shown as %q, want %q (%v)", payload, report.Payload, want, err)
		}
		if bytes.Contains(raw, []byte(`\u003c`)) {
			t.Errorf("%s escapes what needs no escape", raw)
		}
	}
}

func TestAJSONRequestIsToldWhateverIsWrongWithIt(t *testing.T) {
	serial := message.Options{SerialLine: true}
	for _, test := range []struct {
		payload string
		o       message.Options
		want    string
	}{
		{`{"id":7,"frame":"010400010002200C"}`, message.Options{},
			`{"id":7,"ok":false,"error":{"code":"bad_crc","message":"\"frame\": wrong CRC: the frame ends with 20 0C, its bytes give 20 0B"}}`},
		{`{"id":"ä","unit":1,"function":6,"address":70000,"values":1}`, message.Options{},
			`{"id":"ä","ok":false,"error":{"code":"invalid","message":"\"address\" is 70000: it must be 0 to 65535","exception":2},"outcome":"refused"}`},
		{`{"unit":248,"function":4,"address":1,"id":7.0}`, serial,
			`{"id":7.0,"ok":false,"error":{"code":"bad_unit","message":"unit 248: the devices of a serial line are 1 to 247"}}`},
		{`{"id":1,"unit":1,`, message.Options{},
			`{"id":1,"ok":false,"error":{"code":"bad_json","message":"the JSON ends too early: a bracket or quotation mark is not closed"}}`},
	} {
		if got := refuse(t, test.payload, test.o).Reply(); string(got) != test.want {
			t.Errorf("%s is answered\n%s, want\n%s", test.payload, got, test.want)
		}
	}
	for _, payload := range []string{`{"frame":"01"}`, `{"id":null,"frame":"01"}`, "01", `{"id":[1],"frame":"01"}`} {
		if got := refuse(t, payload, message.Options{}).Reply(); got != nil {
			t.Errorf("%s has no id and is answered %s", payload, got)
		}
	}
	large := fmt.Sprintf(`{"id":42,"frame":"%s"}`, strings.Repeat("00", 600))
	if e := refuse(t, large, message.Options{}); e.Code != message.TooLarge || string(e.ID) != "42" {
		t.Errorf("a large request: %v, id %s", e, e.ID)
	}
}
