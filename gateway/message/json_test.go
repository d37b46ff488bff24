package message_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
)

func TestRequestsByFields(t *testing.T) {
	for _, test := range []struct {
		fields string
		want   modbus.PDU
	}{
		{`"function":1,"address":19,"quantity":19`, modbus.ReadRequest(1, 19, 19)},
		{`"function":"read_discrete_inputs","address":0`, modbus.ReadRequest(2, 0, 1)},
		{`"function":"Read Holding Registers","address":65535`, modbus.ReadRequest(3, 65535, 1)},
		{`"function":4,"address":1,"quantity":2`, modbus.ReadRequest(4, 1, 2)},
		{`"function":5,"address":172,"values":true`, modbus.WriteCoilRequest(172, true)},
		{`"function":5,"address":172,"values":[0]`, modbus.WriteCoilRequest(172, false)},
		{`"function":6,"address":1,"values":-1`, modbus.WriteRegisterRequest(1, 0xFFFF)},
		{`"function":6,"address":1,"values":-32768`, modbus.WriteRegisterRequest(1, 0x8000)},
		{`"function":6,"address":1,"values":[65535]`, modbus.WriteRegisterRequest(1, 0xFFFF)},
		{`"function":15,"address":19,"values":[true,0,1,false]`, modbus.WriteCoilsRequest(19, []bool{true, false, true, false})},
		{`"function":15,"address":19,"values":1`, modbus.WriteCoilsRequest(19, []bool{true})},
		{`"function":16,"address":1,"values":[10,258]`, modbus.WriteRegistersRequest(1, []uint16{10, 258})},
		{`"function":16,"address":1,"values":[10,258],"quantity":2`, modbus.WriteRegistersRequest(1, []uint16{10, 258})},
		{`"function":"mask_write_register","address":4,"values":[242,37]`, modbus.MaskWriteRequest(4, 0xF2, 0x25)},
		{`"function":23,"address":3,"quantity":6,"write_address":14,"values":[255,255,255]`, modbus.ReadWriteRequest(3, 6, 14, []uint16{255, 255, 255})},
		{`"function":23,"address":3,"write_address":14,"values":1`, modbus.ReadWriteRequest(3, 1, 14, []uint16{1})},
		{`"function":24,"address":1246`, modbus.PDU{FunctionCode: 24, Data: []byte{0x04, 0xDE}}},

		// Well formed: what the specification does not allow is answered by the gateway.
		{`"function":4,"address":1,"quantity":0`, modbus.ReadRequest(4, 1, 0)},
		{`"function":4,"address":65535,"quantity":65535`, modbus.ReadRequest(4, 65535, 65535)},
		{`"function":16,"address":1,"values":[]`, modbus.WriteRegistersRequest(1, nil)},
	} {
		r := decode(t, `{"unit":17,`+test.fields+`}`, message.Options{})
		if r.Unit != 17 || !reflect.DeepEqual(r.PDU, test.want) || r.Form != message.JSON || r.Framing != modbus.RTU || r.ID != nil {
			t.Errorf("%s is %+v", test.fields, r)
		}
	}
}

func TestValuesThatFitNoFrame(t *testing.T) {
	many := strings.Repeat("1,", 123) + "1"
	for _, test := range []struct {
		fields    string
		exception byte
		says      string
	}{
		{`"function":4,"address":65536`, 2, `"address" is 65536`},
		{`"function":4,"address":-1`, 2, `"address" is -1`},
		{`"function":4,"address":1,"quantity":70000`, 3, `"quantity" is 70000`},
		{`"function":4,"address":1,"quantity":-1`, 3, `"quantity" is -1`},
		{`"function":4,"address":99999999999999999999999`, 2, "99999999999999999999999"},
		{`"function":6,"address":1,"values":65536`, 3, "-32768 to 65535"},
		{`"function":6,"address":1,"values":-32769`, 3, "-32768 to 65535"},
		{`"function":6,"address":1,"values":[1,2]`, 3, "writes one"},
		{`"function":6,"address":1,"values":[]`, 3, "writes one"},
		{`"function":5,"address":1,"values":2`, 3, "true or false"},
		{`"function":22,"address":1,"values":[1]`, 3, "takes two"},
		{`"function":16,"address":1,"values":[` + many + `]`, 3, "at most 123"},
		{`"function":23,"address":1,"write_address":1,"values":[` + many + `]`, 3, "at most 121"},
		{`"function":23,"address":1,"write_address":65536,"values":1`, 2, `"write_address" is 65536`},
		{`"function":0,"address":1`, 1, "1 to 127"},
		{`"function":128,"address":1`, 1, "1 to 127"},
	} {
		e := refuse(t, `{"id":1,"unit":1,`+test.fields+`}`, message.Options{})
		if e.Code != message.Invalid || e.Exception != test.exception || !strings.Contains(e.Message, test.says) || string(e.ID) != "1" {
			t.Errorf("%s: %v, exception %d, want invalid, %d with %q", test.fields, e, e.Exception, test.exception, test.says)
		}
	}
}

func TestJSONThatIsNoRequest(t *testing.T) {
	for _, test := range []struct{ members, says string }{
		{`"unit":1,"address":1`, `"function" is missing`},
		{`"function":4,"address":1`, `"unit" is missing`},
		{`"unit":1,"function":4`, `"address" is missing`},
		{`"unit":1,"function":6,"address":1`, `"values" is missing`},
		{`"unit":1,"function":23,"address":1,"values":1`, `"write_address" is missing`},
		{`"unit":1,"function":4,"adress":1`, `"adress" is not known: the keys are id, frame`},
		{`"Unit":1,"function":4,"address":1`, `did you mean "unit"?`},
		{`"unit":1,"function":6,"address":1,"value":1`, `did you mean "values"?`},
		{`"unit":1,"function":4,"address":1,"timeout":1`, `did you mean "timeout_ms"?`},
		{`"unit":1,"unit":1,"function":4,"address":1`, `"unit" is given twice`},
		{`"frame":"01","frame":"02"`, `"frame" is given twice`},
		{`"frame":"010400010002","unit":1`, `either "frame" or "unit"`},
		{`"frame":1`, `"frame" must be a text of hex digits`},
		{`"frame":""`, `"frame" is empty`},
		{`"frame":null`, `"frame" must be a text`},
		{`"unit":"1","function":4,"address":1`, `"unit" must be a whole number, not "1"`},
		{`"unit":1.0,"function":4,"address":1`, `"unit" must be a whole number without fraction`},
		{`"unit":1e0,"function":4,"address":1`, `"unit" must be a whole number without fraction`},
		{`"unit":null,"function":4,"address":1`, `"unit" must be a whole number, not null`},
		{`"unit":1,"function":4,"address":"0x10"`, `"address" must be a whole number`},
		{`"unit":1,"function":"read","address":1`, `"function" "read" is not known`},
		{`"unit":1,"function":true,"address":1`, `"function" must be a whole number`},
		{`"unit":1,"function":43,"address":1`, `function 43 (encapsulated_interface) cannot be given by fields`},
		{`"unit":1,"function":100,"address":1`, `function 100 cannot be given by fields`},
		{`"unit":1,"function":4,"address":1,"values":[1]`, `"values" does not belong to function 4`},
		{`"unit":1,"function":6,"address":1,"values":1,"quantity":1`, `"quantity" does not belong to function 6`},
		{`"unit":1,"function":6,"address":1,"values":1,"write_address":1`, `"write_address" does not belong to function 6`},
		{`"unit":1,"function":16,"address":1,"values":[1,2],"quantity":3`, `leave "quantity" out`},
		{`"unit":1,"function":6,"address":1,"values":"1"`, `"values" must be a whole number`},
		{`"unit":1,"function":6,"address":1,"values":{"0":1}`, `"values" must be a whole number`},
		{`"unit":1,"function":16,"address":1,"values":[1,null]`, `"values" must be a whole number`},
		{`"unit":1,"function":6,"address":1,"values":21.5`, `without fraction`},
		{`"unit":1,"function":5,"address":1,"values":"on"`, `a coil is true or false`},
		{`"unit":1,"function":4,"address":1,"timeout_ms":0`, `"timeout_ms" is 0`},
		{`"unit":1,"function":4,"address":1,"timeout_ms":60001`, `"timeout_ms" is 60001`},
		{`"unit":1,"function":4,"address":1,"timeout_ms":"1s"`, `"timeout_ms" must be a whole number`},
		{`"unit":1,"function":4,"address":1,"expires":"tomorrow"`, `"expires" is not a time`},
		{`"unit":1,"function":4,"address":1,"expires":1795456800`, `milliseconds since 1970`},
		{`"unit":1,"function":4,"address":1,"expires":true`, `"expires" must be a whole number`},
	} {
		e := refuse(t, `{"id":1,`+test.members+`}`, message.Options{})
		if e.Code != message.BadJSON || !strings.Contains(e.Message, test.says) || string(e.ID) != "1" {
			t.Errorf("%s: %v, want bad_json with %q", test.members, e, test.says)
		}
	}
	if e := refuse(t, `{"id":1,"unit":1,"function":4,"address":1} {}`, message.Options{}); e.Code != message.BadJSON || !strings.Contains(e.Message, "follows") {
		t.Errorf("two objects: %v", e)
	}
	if e := refuse(t, `{"id":1,"unit":256,"function":4,"address":1}`, message.Options{}); e.Code != message.BadUnit {
		t.Errorf("unit 256: %v", e)
	}
}

func TestID(t *testing.T) {
	request := `{"id":%s,"unit":1,"function":4,"address":1}`
	for _, id := range []string{`7`, `7.50`, `-1e400`, `"a"`, `"\u00e4 \" <"`, `""`, `true`, `"` + strings.Repeat("x", 126) + `"`} {
		r := decode(t, fmt.Sprintf(request, id), message.Options{})
		if string(r.ID) != id {
			t.Errorf("id %s is kept as %s", id, r.ID)
		}
		reply := string(r.Reply(message.Result{Code: message.Busy}))
		if !strings.HasPrefix(reply, `{"id":`+id+`,"ok":false,`) {
			t.Errorf("id %s is answered %s", id, reply)
		}
	}
	for _, id := range []string{`{}`, `[7]`, `"` + strings.Repeat("x", 127) + `"`} {
		if e := refuse(t, fmt.Sprintf(request, id), message.Options{}); e.Code != message.BadJSON || e.ID != nil || !strings.Contains(e.Message, `"id"`) {
			t.Errorf("id %s: %v with id %s", id, e, e.ID)
		}
	}
	if r := decode(t, fmt.Sprintf(request, "null"), message.Options{}); r.ID != nil {
		t.Errorf("id null is %s", r.ID)
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 23, 18, 0, 0, 500_000_000, time.UTC)
	request := `{"frame":"010400010002","timeout_ms":1500,"expires":%s}`
	for _, expires := range []string{`"2026-11-23T18:00:00.5Z"`, `"2026-11-23T19:00:00.500+01:00"`, `1795456800500`} {
		r := decode(t, fmt.Sprintf(request, expires), message.Options{})
		if !r.Expires.Equal(at) || r.Timeout != 1500*time.Millisecond {
			t.Errorf("expires %s is %v, timeout %v", expires, r.Expires, r.Timeout)
		}
	}
	if r := decode(t, `{"frame":"010400010002"}`, message.Options{}); !r.Expires.IsZero() || r.Timeout != 0 {
		t.Errorf("without times there are %v and %v", r.Expires, r.Timeout)
	}
}
