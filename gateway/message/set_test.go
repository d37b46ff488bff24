package message_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/register"
)

func TestDecodeSet(t *testing.T) {
	for _, c := range []struct{ payload, plain, value, id string }{
		{"21.5", "21.5", "", ""},
		{" on\r\n", "on", "", ""},
		{"\ufeffheat", "heat", "", ""},
		{"warm room", "warm room", "", ""},
		{"[1,2]", "[1,2]", "", ""},
		{`"on"`, `"on"`, "", ""},
		{`{"value":21.5}`, "", "21.5", ""},
		{` { "id" : "a" , "value" : [ 1, 2 ] } `, "", "[ 1, 2 ]", `"a"`},
		{`{"id":null,"value":null}`, "", "null", ""},
		{`{"value":{"a":1},"id":1.50}`, "", `{"a":1}`, "1.50"},
	} {
		s, err := message.DecodeSet([]byte(c.payload))
		if err != nil || s.Plain != c.plain || string(s.JSON) != c.value || string(s.ID) != c.id {
			t.Errorf("%s: %+v, %v", c.payload, s, err)
		}
	}
	s, err := message.DecodeSet([]byte(`{"value":1,"timeout_ms":500,"expires":"2026-11-23T18:00:00Z"}`))
	if err != nil || s.Timeout != 500*time.Millisecond || !s.Expires.Equal(time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDecodeSetRefuses(t *testing.T) {
	for _, c := range []struct {
		payload, id string
		code        message.Code
		says        string
	}{
		{"", "", message.Empty, "21.5"},
		{"\ufeff \n", "", message.Empty, "21.5"},
		{"\x00\x01", "", message.Invalid, "no text"},
		{"\xff", "", message.Invalid, "no text"},
		{"\xef\xbf\xbd", "", message.Invalid, "no text"},
		{strings.Repeat("1", 1025), "", message.TooLarge, "1024"},
		{`{"id":7,"value":"` + strings.Repeat("1", 1025), "7", message.TooLarge, "1024"},
		{`{`, "", message.BadJSON, "too early"},
		{`{"id":7,"value":`, "7", message.BadJSON, "too early"},
		{`{"id":7}`, "7", message.BadJSON, `"value"`},
		{`{"id":7,"Value":1}`, "7", message.BadJSON, `"Value"`},
		{`{"id":7,"value":1,"value":2}`, "7", message.BadJSON, "twice"},
		{`{"id":7,"value":1} {"value":2}`, "7", message.BadJSON, "follows"},
		{`{"id":7,"value":1,"unit":2}`, "7", message.BadJSON, `"unit"`},
		{`{"id":7,"value":1,"frame":"010600010001"}`, "7", message.BadJSON, `"frame"`},
		{`{"id":[1],"value":1}`, "", message.BadJSON, `"id"`},
		{`{"id":"` + strings.Repeat("x", 200) + `","value":1}`, "", message.BadJSON, "128"},
		{`{"id":7,"value":1,"timeout_ms":0}`, "7", message.BadJSON, "timeout_ms"},
		{`{"id":7,"value":1,"expires":"soon"}`, "7", message.BadJSON, "expires"},
		{"{\"id\":7,\"value\":\"\xff\"}", "7", message.BadJSON, "UTF-8"},
	} {
		_, err := message.DecodeSet([]byte(c.payload))
		var e *message.Error
		if !errors.As(err, &e) || e.Code != c.code || string(e.ID) != c.id || !strings.Contains(e.Error(), c.says) || !e.IsWrite() {
			t.Errorf("%.60q: %v, id %s; want %s saying %q", c.payload, err, e.ID, c.code, c.says)
		}
	}
}

// Two sets that ask for the same are told to be the same, others are not.
func TestCanonicalSet(t *testing.T) {
	canonical := func(payload string) string {
		s, err := message.DecodeSet([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return string(s.Canonical())
	}
	for _, same := range [][]string{
		{`{"value":21.5}`, `{"value": 21.50}`, `{"value":2.15e1}`, `{"value":21.5,"timeout_ms":5}`},
		{`{"value":"on"}`, `{"value":"\u006fn"}`},
		{`{"value":[1,2]}`, `{"value":[ 1.0, 2 ]}`},
		{`{"value":{"a":1}}`, `{"value":{ "a": 1 }}`},
	} {
		for _, other := range same[1:] {
			if canonical(other) != canonical(same[0]) {
				t.Errorf("%s is %s, and %s is %s", same[0], canonical(same[0]), other, canonical(other))
			}
		}
	}
	if a, b := canonical(`{"value":"1"}`), canonical(`{"value":1}`); a == b {
		t.Errorf("a text and a number are both %s", a)
	}
}

func TestSetResults(t *testing.T) {
	s, err := message.DecodeSet([]byte(`{"id":1,"value":21.5}`))
	if err != nil {
		t.Fatal(err)
	}
	v := register.Number(21.5)
	pdu := modbus.WriteRegisterRequest(1, 215)
	r := s.Request(modbus.ADU{Unit: 1, PDU: pdu})
	exception := func(code byte) modbus.PDU { return modbus.ExceptionPDU(6, code) }
	for _, c := range []struct {
		result message.Result
		want   string
	}{
		{message.Result{Reply: pdu, Value: &v}, `{"id":1,"ok":true,"value":21.5,"outcome":"done"}`},
		{message.Result{Reply: exception(3), Code: message.Denied, Message: "no"}, `{"id":1,"ok":false,"error":{"code":"denied","message":"no"},"outcome":"refused"}`},
		{message.Result{Reply: exception(3), Code: message.Exception, Message: "no"}, `{"id":1,"ok":false,"error":{"code":"exception","message":"no","exception":3},"outcome":"refused"}`},
		{message.Result{Reply: pdu, Code: message.Exception, Message: "no", Outcome: message.Done, Value: &v}, `{"id":1,"ok":false,"value":21.5,"error":{"code":"exception","message":"no"},"outcome":"done"}`},
		{message.Result{Reply: exception(11), Code: message.Timeout, Message: "no"}, `{"id":1,"ok":false,"error":{"code":"timeout","message":"no"},"outcome":"unknown"}`},
	} {
		if got := string(r.Reply(c.result)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got, want := string(s.Refused(message.Denied, "not %d", 5).SetResult()), `{"id":1,"ok":false,"error":{"code":"denied","message":"not 5"},"outcome":"refused"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := string(message.RetainedSet([]byte(`{"id":"x","value":1}`)).SetResult()); !strings.HasPrefix(got, `{"id":"x","ok":false,"error":{"code":"retained","message":"`) || !strings.HasSuffix(got, `},"outcome":"refused"}`) {
		t.Errorf("%s", got)
	}
}

// FuzzDecodeSet: a set or an error, never both, and each has a result that is one JSON
// object with the id of the payload.
func FuzzDecodeSet(f *testing.F) {
	for _, payload := range []string{"21.5", "on", "", `{"id":1,"value":21.5}`, `{"id":"x","value":[1,2],"expires":1795524851000}`, `{"value":"\ud800"}`, "\ufeff{", "{\"value\":\"\xff\"}", `{"id":1e400,"value":1e400}`} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		s, err := message.DecodeSet(payload)
		var e *message.Error
		var result []byte
		switch {
		case err == nil && s != nil:
			if (s.JSON == nil) == (s.Plain == "") || len(s.Canonical()) == 0 {
				t.Fatalf("%q is %+v", payload, s)
			}
			result = s.Refused(message.Denied, "no").SetResult()
		case errors.As(err, &e) && s == nil:
			result = e.SetResult()
		default:
			t.Fatalf("%q: %v, %v", payload, s, err)
		}
		var told struct {
			ID json.RawMessage
			OK *bool
		}
		if err := json.Unmarshal(result, &told); err != nil || told.OK == nil || *told.OK {
			t.Fatalf("%q: result %s, %v", payload, result, err)
		}
		if !bytes.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
	})
}
