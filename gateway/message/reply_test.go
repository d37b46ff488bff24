package message_test

import (
	"encoding/json"
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// Both values of a sensor at 30.5 degrees and 54.6 percent.
var bothValues = modbustest.Named("read input registers reply").ADU.PDU

func TestRepliesInTheFormOfTheirRequest(t *testing.T) {
	timeout := message.Result{Code: message.Timeout, Outcome: message.Unknown}
	good := message.Result{Reply: bothValues, Elapsed: 12 * time.Millisecond}
	for _, test := range []struct {
		request string
		result  message.Result
		reply   string
	}{
		// Hex text: case, separators, groups, prefixes, framing, check code.
		{"010400010002200B", good, "010404013102222ACE"},
		{"010400010002200b", good, "010404013102222ace"},
		{"01 04 00 01 00 02 20 0b", good, "01 04 04 01 31 02 22 2a ce"},
		{"01,04,00,01,00,02,20,0B\n", good, "01,04,04,01,31,02,22,2A,CE"},
		{"01-04-00-01-00-02-20-0B", good, "01-04-04-01-31-02-22-2A-CE"},
		{"01:04:00:01:00:02:20:0B", good, "01:04:04:01:31:02:22:2A:CE"},
		{"0104 0001 0002 200B", good, "0104 0401 3102 222A CE"},
		{"0x01,0x04,0x00,0x01,0x00,0x02,0x20,0x0b", good, "0x01,0x04,0x04,0x01,0x31,0x02,0x22,0x2a,0xce"},
		{"0x010400010002200B", good, "0x010404013102222ACE"},
		{"01 04 00 01 00 02", good, "01 04 04 01 31 02 22"},
		{"0001 0000 0006 01 04 0001 0002", good, "00 01 00 00 00 07 01 04 04 01 31 02 22"},
		{"abcd00000006010400010002", good, "abcd0000000701040401310222"},
		{"010400010002", timeout, "01840B"},
		{"010400010002200B", timeout, "01840B02C7"},

		// Bytes.
		{bin("010400010002200B"), good, bin("010404013102222ACE")},
		{bin("150100000006010400010002"), good, bin("15010000000701040401310222")},
		{bin("010400010002200B"), timeout, bin("01840B02C7")},
		{bin("150100000006010400010002"), timeout, bin("15010000000301840B")},

		// ASCII frames: case and ending.
		{":010400010002F8\r\n", good, ":01040401310222A1\r\n"},
		{":010400010002F8", good, ":01040401310222A1"},
		{":010400010002f8\n", good, ":01040401310222a1"},
		{":010400010002F8\r\n", timeout, ":01840B70\r\n"},

		// JSON.
		{`{"id":7,"frame":"010400010002"}`, good,
			`{"id":7,"ok":true,"frame":"01040401310222","unit":1,"function":4,"values":[305,546],"elapsed_ms":12}`},
		{`{"id":7,"frame":"01 04 00 01 00 02 20 0b"}`, good,
			`{"id":7,"ok":true,"frame":"01 04 04 01 31 02 22 2a ce","unit":1,"function":4,"values":[305,546],"elapsed_ms":12}`},
		{`{"frame":"150100000006010400010002"}`, good,
			`{"ok":true,"frame":"15010000000701040401310222","unit":1,"function":4,"values":[305,546],"elapsed_ms":12}`},
		{`{"frame":":010400010002F8\r\n"}`, good,
			`{"ok":true,"frame":":01040401310222A1\r\n","unit":1,"function":4,"values":[305,546],"elapsed_ms":12}`},
		{`{"id":"x","unit":1,"function":4,"address":1,"quantity":2}`, good,
			`{"id":"x","ok":true,"frame":"010404013102222ACE","unit":1,"function":4,"values":[305,546],"elapsed_ms":12}`},
		{`{"id":7,"unit":1,"function":4,"address":1,"quantity":2}`, timeout,
			`{"id":7,"ok":false,"error":{"code":"timeout","message":"the device did not answer: check power, wiring, unit id, baud rate and parity","exception":11}}`},
	} {
		r := decode(t, test.request, message.Options{})
		if got := string(r.Reply(test.result)); got != test.reply {
			t.Errorf("%q is answered\n%q, want\n%q", test.request, got, test.reply)
		}
	}
}

func TestJSONRepliesCarryValues(t *testing.T) {
	for _, test := range []struct{ request, reply, values string }{
		{"read coils", "read coils reply", "[true,false,true,true,false,false,true,true,true,true,false,true,false,true,true,false,true,false,true]"},
		{"read holding registers", "read holding registers reply", "[555,0,100]"},
		{"read input registers", "read input registers reply", "[305,546]"},
		{"read/write multiple registers", "read/write multiple registers reply", "[254,2765,1,3,13,255]"},
		{"read FIFO queue", "read FIFO queue reply", "[440,4740]"},
		{"report server id", "report server id reply", ""},
		{"write single register", "write single register reply", ""},
		{"loopback", "loopback reply", ""},
	} {
		request := decode(t, asJSON(modbustest.Named(test.request).Text), message.Options{})
		var reply struct {
			OK      bool
			Values  json.RawMessage
			Outcome string
		}
		raw := request.Reply(message.Result{Reply: modbustest.Named(test.reply).ADU.PDU})
		if err := json.Unmarshal(raw, &reply); err != nil || !reply.OK || string(reply.Values) != test.values {
			t.Errorf("%s: %s (%v), want values %s", test.request, raw, err, test.values)
		}
		if (reply.Outcome == "done") != request.IsWrite() {
			t.Errorf("%s: outcome %q", test.request, reply.Outcome)
		}
	}
}

func TestJSONRepliesToWrites(t *testing.T) {
	request := decode(t, `{"id":7,"unit":1,"function":6,"address":257,"values":5}`, message.Options{})
	exception := func(code byte) modbus.PDU { return modbus.ExceptionPDU(6, code) }
	for _, test := range []struct {
		result message.Result
		reply  string
	}{
		{message.Result{Reply: request.PDU, Elapsed: 12_345_678 * time.Nanosecond},
			`{"id":7,"ok":true,"frame":"01060101000519F5","unit":1,"function":6,"outcome":"done","elapsed_ms":12.345}`},
		{message.Result{Reply: exception(2), Code: message.Exception, Elapsed: time.Millisecond},
			`{"id":7,"ok":false,"frame":"018602C3A1","unit":1,"function":6,"error":{"code":"exception",` +
				`"message":"the device answered illegal data address: the device has no such register or coil; check the address (many manuals count from 1, frames count from 0) and the quantity",` +
				`"exception":2},"outcome":"refused","elapsed_ms":1}`},
		{message.Result{Reply: exception(2), Code: message.Denied, Message: "no"},
			`{"id":7,"ok":false,"error":{"code":"denied","message":"no","exception":2},"outcome":"refused"}`},
		{message.Result{Code: message.Timeout, Message: "no answer"},
			`{"id":7,"ok":false,"error":{"code":"timeout","message":"no answer","exception":11},"outcome":"unknown"}`},
		{message.Result{Code: message.Timeout, Message: "no answer", Outcome: message.Refused},
			`{"id":7,"ok":false,"error":{"code":"timeout","message":"no answer","exception":11},"outcome":"refused"}`},
	} {
		if got := string(request.Reply(test.result)); got != test.reply {
			t.Errorf("%+v is answered\n%s, want\n%s", test.result, got, test.reply)
		}
	}
	for code, want := range map[byte]string{1: "refused", 3: "refused", 4: "unknown", 5: "unknown", 6: "refused", 10: "refused", 11: "unknown"} {
		var reply struct{ Outcome string }
		raw := request.Reply(message.Result{Reply: exception(code), Code: message.Exception})
		if err := json.Unmarshal(raw, &reply); err != nil || reply.Outcome != want {
			t.Errorf("exception %d leaves the write %q, want %q (%v)", code, reply.Outcome, want, err)
		}
	}
}

func TestEveryCodeIsAnsweredByAFrame(t *testing.T) {
	request := decode(t, "010400010002", message.Options{})
	for code, want := range map[message.Code]string{
		message.Denied: "018401", message.Invalid: "018403", message.Busy: "018406",
		message.Expired: "018406", message.Unavailable: "01840A", message.Timeout: "01840B",
	} {
		if got := string(request.Reply(message.Result{Code: code})); got != want {
			t.Errorf("%s is answered %s, want %s", code, got, want)
		}
	}
	chosen := message.Result{Code: message.Denied, Reply: modbus.ExceptionPDU(4, modbus.IllegalDataAddress)}
	if got := string(request.Reply(chosen)); got != "018402" {
		t.Errorf("an exception that the gateway chose is answered %s", got)
	}
}

func TestBroadcasts(t *testing.T) {
	o := message.Options{SerialLine: true, Broadcast: true}
	sent := message.Result{Outcome: message.Done, Elapsed: 5 * time.Millisecond}
	for _, payload := range []string{"000600010003", bin("00060001000399DA"), ":000600010003F6"} {
		r := decode(t, payload, o)
		if got := r.Reply(sent); got != nil {
			t.Errorf("broadcast %q is answered %q", payload, got)
		}
		if got := r.Reply(message.Result{Code: message.Denied}); got == nil {
			t.Errorf("a denied broadcast %q is not answered", payload)
		}
	}
	r := decode(t, `{"id":1,"unit":0,"function":6,"address":1,"values":3}`, o)
	want := `{"id":1,"ok":true,"unit":0,"function":6,"outcome":"done","elapsed_ms":5}`
	if got := string(r.Reply(sent)); got != want {
		t.Errorf("JSON broadcast is answered %s, want %s", got, want)
	}
	if got := decode(t, "000600010003", message.Options{}).Reply(message.Result{Reply: r.PDU}); string(got) != "000600010003" {
		t.Errorf("unit 0 of a TCP server is answered %q", got)
	}
}

// A device's reply that is shorter than its function allows must not end the gateway.
func TestStrangeRepliesDoNotPanic(t *testing.T) {
	for _, c := range modbustest.Requests(modbus.RTU) {
		for _, payload := range []string{c.Text, asJSON(c.Text)} {
			r := decode(t, payload, message.Options{})
			for _, reply := range []modbus.PDU{{}, {FunctionCode: r.PDU.FunctionCode}, {FunctionCode: r.PDU.FunctionCode, Data: []byte{1}}, {FunctionCode: 0x80}, {FunctionCode: 0x84}} {
				for _, code := range []message.Code{"", message.Exception, message.Busy} {
					r.Reply(message.Result{Reply: reply, Code: code})
				}
			}
		}
	}
}

func TestEveryCodeHasASentence(t *testing.T) {
	request := decode(t, `{"id":1,"unit":1,"function":4,"address":1}`, message.Options{})
	seen := map[string]message.Code{}
	for _, code := range []message.Code{message.Denied, message.Invalid, message.Busy, message.Expired, message.Unavailable, message.Timeout} {
		var reply struct{ Error struct{ Message string } }
		if err := json.Unmarshal(request.Reply(message.Result{Code: code}), &reply); err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[reply.Error.Message]; twice || len(reply.Error.Message) < 20 {
			t.Errorf("%s says %q, like %s", code, reply.Error.Message, other)
		}
		seen[reply.Error.Message] = code
	}
	if err := (&message.Error{Code: message.Retained}).Error(); len(err) < 20 {
		t.Errorf("a retained message is refused with %q", err)
	}
}
