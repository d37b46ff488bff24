package gateway

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// Readings that can be set, one of each kind.
var (
	holding  = register.Field{Table: modbus.HoldingRegisters, Address: 100, Bit: -1, Decimals: register.Auto}
	setpoint = settable("setpoint", profile.Set{Min: -10, Max: 30, Step: 0.1}, register.Int16, func(f *register.Field) { f.Scale = 0.1 })
	count    = settable("count", profile.Set{Min: 0, Max: 65535}, register.Uint16, nil)
	wide     = settable("wide", profile.Set{Min: -1e300, Max: 1e300}, register.Float32, func(f *register.Field) { f.Order = register.LittleSwap })
	great    = settable("great", profile.Set{Min: 0, Max: math.MaxUint64}, register.Uint64, nil)
	mode     = settable("mode", profile.Set{}, register.Uint16, func(f *register.Field) {
		f.Names = []register.Name{{Number: 0, Name: "off"}, {Number: 5, Name: "heat"}}
	})
	pump   = settable("pump", profile.Set{Max: 1}, register.Bool, func(f *register.Field) { f.Bit = 3 })
	valve  = settable("valve", profile.Set{Max: 1}, register.Bool, func(f *register.Field) { f.Table = modbus.Coils })
	valves = settable("valves", profile.Set{Max: 1}, register.Bool, func(f *register.Field) { f.Table, f.Count = modbus.Coils, 3 })
	curve  = settable("curve", profile.Set{Min: 0, Max: 10}, register.Int16, func(f *register.Field) { f.Count, f.Scale = 3, 0.5 })
	rough  = settable("rough", profile.Set{Min: 0, Max: 21.55}, register.Int16, func(f *register.Field) { f.Scale, f.NoData = 0.1, []uint64{77} })
	part   = settable("part", profile.Set{Min: 0, Max: 12}, register.Uint16, func(f *register.Field) { f.Bit, f.Width = 4, 4 })
	flags  = settable("flags", profile.Set{}, register.Uint16, func(f *register.Field) {
		f.Flags = []register.Name{{Number: 0, Name: "pump"}, {Number: 3, Name: "alarm"}}
	})
	label    = settable("label", profile.Set{}, register.String, func(f *register.Field) { f.Count = 3 })
	clock    = settable("clock", profile.Set{}, register.TimeUnix, nil)
	days     = settable("days", profile.Set{}, register.TimeUnix, func(f *register.Field) { f.Count = 2 })
	total    = settable("total", profile.Set{Min: 0, Max: 9999}, register.BCD16, nil)
	startsOn = settable("once", profile.Set{Min: 1, Max: 1}, register.Bool, func(f *register.Field) { f.Table = modbus.Coils })
)

func settable(name string, set profile.Set, t register.Type, change func(*register.Field)) *profile.Reading {
	r := &profile.Reading{Name: name, Field: holding, Set: &set}
	r.Type = t
	if change != nil {
		change(&r.Field)
	}
	return r
}

// written returns the request that a payload becomes for a reading, as hex digits.
func written(r *profile.Reading, payload string) (string, error) {
	set, err := message.DecodeSet([]byte(payload))
	if err != nil {
		return "", err
	}
	s := &setter{lacks: &lacking{}}
	s.device.Unit = 1
	w, bad := s.writing(set, r)
	if bad != nil {
		return "", bad
	}
	return strings.ToUpper(hex.EncodeToString(append([]byte{w.request.PDU.FunctionCode}, w.request.PDU.Data...))), nil
}

// Numbers are compared with the limits as they are written, not as a float64 has them.
func TestLimitsAreExact(t *testing.T) {
	long := settable("long", profile.Set{Min: math.MinInt64, Max: math.MaxInt64}, register.Int64, nil)
	for _, c := range []struct {
		reading *profile.Reading
		payload string
	}{
		{long, "-9223372036854775809"},
		{count, "-1e-500"},
		{count, "65535.00000000000000000001"},
		{setpoint, "1e-324"},
		{setpoint, "29.9999999999999999999999999999999999"},
		{setpoint, "0.10000000000000000000000000000001"},
		{setpoint, "1e-99999999999"},
		{mode, "1e-999"},
		{mode, "5.00000000000000000000001"},
	} {
		if request, err := written(c.reading, c.payload); err == nil {
			t.Errorf("%s is set to %s by %s", c.reading.Name, c.payload, request)
		}
	}
	if request, err := written(long, "-9223372036854775808"); err != nil || request != "1000640004088000000000000000" {
		t.Errorf("the least int64 is set by %s: %v", request, err)
	}
}

func TestValuesBecomeWrites(t *testing.T) {
	for _, c := range []struct {
		reading *profile.Reading
		payload string
		want    string
	}{
		{setpoint, "21.5", "06006400D7"},
		{setpoint, " 21.50\n", "06006400D7"},
		{setpoint, "\ufeff21.5", "06006400D7"},
		{setpoint, "2.15e1", "06006400D7"},
		{setpoint, "-10", "060064FF9C"},
		{setpoint, "30", "060064012C"},
		{setpoint, "-0.0", "0600640000"},
		{setpoint, `{"value":21.5}`, "06006400D7"},
		{setpoint, `{"id":"x","value":-0.1,"timeout_ms":500}`, "060064FFFF"},
		{count, "65535", "060064FFFF"},
		{count, "2.5", "0600640003"}, // the nearer content
		{wide, "12.375", "100064000204" + "00004146"},
		{wide, "3e38", "100064000204" + "B1E67F61"},
		{great, "18446744073709551615", "100064000408" + "FFFFFFFFFFFFFFFF"},
		{mode, "heat", "0600640005"},
		{mode, "Heat", "0600640005"},
		{mode, "5", "0600640005"},
		{mode, `{"value":"off"}`, "0600640000"},
		{mode, `{"value":5}`, "0600640005"},
		{pump, "on", "160064FFF70008"},
		{pump, "OFF", "160064FFF70000"},
		{pump, `{"value":true}`, "160064FFF70008"},
		{valve, "true", "050064FF00"},
		{valve, "0", "0500640000"},
		{valve, `{"value":"on"}`, "050064FF00"},
		{startsOn, "on", "050064FF00"},
		{valves, "[true,false,1]", "0F0064000301" + "05"},
		{curve, `{"value":[0,5,10]}`, "100064000306" + "0000000A0014"},
		{curve, `[0.5,5,10]`, "100064000306" + "0001000A0014"},
		{rough, "21.54", "06006400D7"},
		{part, "5", "160064FF0F0050"},
		{flags, `["alarm"]`, "160064FFF60008"},
		{flags, `{"value":["alarm","pump","alarm"]}`, "160064FFF60009"},
		{flags, `[]`, "160064FFF60000"},
		{label, "abc", "1000640003066162630000" + "00"},
		{label, `{"value":"{\"a\"}"}`, "100064000306" + "7B2261227D00"},
		{label, `"abc"`, "100064000306" + "616263000000"}, // JSON, as in a list
		{label, `{"value":"\"a\""}`, "100064000306" + "226122000000"},
		{label, `"a`, "100064000306" + "226100000000"}, // a text is what it is
		{mode, `"heat"`, "0600640005"},
		{clock, `"1970-01-01T00:01:00Z"`, "100064000204" + "0000003C"},
		{label, "21.5", "100064000306" + "32312E350000"},
		{clock, "1970-01-01T00:01:00Z", "100064000204" + "0000003C"},
		{clock, `{"value":"1970-01-01T01:01:00+01:00"}`, "100064000204" + "0000003C"},
		{days, `["1970-01-01T00:01:00Z","1970-01-01T00:00:01Z"]`, "100064000408" + "0000003C00000001"},
		{total, "1234", "0600641234"},
	} {
		if got, err := written(c.reading, c.payload); err != nil || got != c.want {
			t.Errorf("%s %q: %s, %v; want %s", c.reading.Name, c.payload, got, err, c.want)
		}
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	const denied, invalid, badJSON = message.Denied, message.Invalid, message.BadJSON
	for _, c := range []struct {
		reading *profile.Reading
		payload string
		code    message.Code
		says    string
	}{
		{setpoint, "30.1", denied, "-10 to 30"},
		{setpoint, "-10.1", denied, "-10 to 30"},
		{setpoint, "21.55", denied, "steps of 0.1"},
		{setpoint, "21.500001", denied, "steps of 0.1"},
		{setpoint, "1e300", denied, "-10 to 30"},
		{setpoint, "-1e300", denied, "-10 to 30"},
		{setpoint, "1e400", invalid, "number"},
		{setpoint, "-1e999999999", invalid, "number"},
		{setpoint, "1e-999999999", invalid, "takes a number"},
		{setpoint, "NaN", invalid, "number"},
		{setpoint, "nan", invalid, "number"},
		{setpoint, "Infinity", invalid, "number"},
		{setpoint, "-Inf", invalid, "number"},
		{setpoint, "0x10", invalid, "number"},
		{setpoint, "21,5", invalid, "number"},
		{setpoint, "+21", invalid, "number"},
		{setpoint, ".5", invalid, "number"},
		{setpoint, "21.5 °C", invalid, "number"},
		{setpoint, "1 2", invalid, "number"},
		{setpoint, "true", invalid, "number"},
		{setpoint, "null", invalid, "number"},
		{setpoint, "warm", invalid, "number"},
		{setpoint, `"21.5"`, invalid, "number"},
		{setpoint, "[21.5]", invalid, "number"},
		{setpoint, "010600640001", invalid, "number"}, // a frame is no way around
		{setpoint, strings.Repeat("9", 1000), invalid, "number"},
		{setpoint, strings.Repeat("9", 300), denied, "-10 to 30"},
		{setpoint, `{"value":"21.5"}`, invalid, "number"},
		{setpoint, `{"value":null}`, invalid, "null"},
		{setpoint, `{"value":true}`, invalid, "number"},
		{setpoint, `{"value":[21.5]}`, invalid, "number"},
		{setpoint, `{"value":{"value":21.5}}`, invalid, "number"},
		{setpoint, `{"value":1e400}`, invalid, "number"},
		{setpoint, `{"value":NaN}`, badJSON, "broken"},
		{setpoint, `{"value":21.5,"value":35}`, badJSON, "twice"},
		{setpoint, `{"value":21.5,"address":101}`, badJSON, `"address"`},
		{setpoint, `{"value":21.5,"unit":2}`, badJSON, `"unit"`},
		{setpoint, `{"frame":"010600640001"}`, badJSON, `"frame"`},
		{setpoint, `{}`, badJSON, `"value"`},
		{count, "-1", denied, "0 to 65535"},
		{count, "65536", denied, "0 to 65535"},
		{wide, "1e39", invalid, "float32"},
		{mode, "cool", denied, "off (0), heat (5)"},
		{mode, "1", denied, "off (0), heat (5)"},
		{mode, "5.5", denied, "off (0), heat (5)"},
		{mode, `{"value":"5"}`, denied, "off (0), heat (5)"},
		{mode, `{"value":null}`, invalid, "null"},
		{pump, "2", invalid, "on or off"},
		{pump, "yes", invalid, "on or off"},
		{pump, `{"value":[true]}`, invalid, "on or off"},
		{startsOn, "off", denied, "1 to 1"},
		{valves, "[true,false]", invalid, "3 values"},
		{valves, "true", invalid, "3 values"},
		{valves, "[true,false,2]", invalid, "on or off"},
		{valves, "[true,false,null]", invalid, "null"},
		{curve, "[0,5,11]", denied, "0 to 10"},
		{curve, "[0,5,10,5]", invalid, "3 values"},
		{curve, "[[0],5,10]", invalid, "number"},
		{rough, "21.55", denied, "21.6"},
		{part, "13", denied, "0 to 12"},
		{part, "-1", denied, "0 to 12"},
		{flags, "pump", denied, "pump (0), alarm (3)"},
		{flags, `["pump","other"]`, denied, "pump (0), alarm (3)"},
		{flags, `[0]`, denied, "pump (0), alarm (3)"},
		{flags, "9", denied, "pump (0), alarm (3)"},
		{flags, `{"value":null}`, denied, "pump (0), alarm (3)"},
		{label, "abcdefg", invalid, "6 bytes"},
		{label, `{"value":5}`, invalid, "text in quotes"},
		{label, `{"value":null}`, invalid, "text in quotes"},
		{label, "\xff\xfe", invalid, "no text"},
		{label, "\x00\x01", invalid, "no text"},
		{clock, "yesterday", invalid, "date and time"},
		{clock, `{"value":60}`, invalid, "text in quotes"},
		{clock, "1969-12-31T23:59:59Z", invalid, "time-unix"},
		{clock, "2106-02-08T00:00:00Z", invalid, "time-unix"},
		{days, `["1970-01-01T00:01:00Z"]`, invalid, "2 values"},
		{total, "10000", denied, "0 to 9999"},
		{rough, "7.7", invalid, "no value"},
		{settable("x", profile.Set{Min: -4000, Max: 4000}, register.Int16, nil), "4000", "", ""},
		{settable("x", profile.Set{Min: -40000, Max: 40000}, register.Int16, nil), "40000", invalid, "int16"},
		{settable("x", profile.Set{Min: 0, Max: 9007199254740993}, register.Uint64, nil), "9007199254740994", denied, ""},
	} {
		got, err := written(c.reading, c.payload)
		var bad *badValue
		var fault *message.Error
		code := message.Code("")
		switch {
		case errors.As(err, &bad):
			code = bad.code
		case errors.As(err, &fault):
			code = fault.Code
		}
		if code != c.code || c.code != "" && !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s %.60q: %s, %v; want %s with %q", c.reading.Name, c.payload, got, err, c.code, c.says)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "\n") || len(text) > 250 {
			t.Errorf("no clear sentence: %s", text)
		}
	}
}

// Limits and steps are decimal numbers: every one of the steps is taken, and nothing between.
func TestStepsAreExact(t *testing.T) {
	for _, c := range []struct{ min, max, step float64 }{{-10, 30, 0.1}, {0.3, 3.3, 0.3}, {-0.7, 1.4, 0.07}, {1, 1e6, 99999}} {
		set := &profile.Set{Min: c.min, Max: c.max, Step: c.step}
		taken := 0
		for i := 0; ; i++ {
			text := fmt.Sprintf("%.2f", c.min+float64(i)*c.step)
			n, ok := exactly(word{text: text})
			if !ok {
				t.Fatalf("%s is no number", text)
			}
			if n.Cmp(rational(c.max)) > 0 {
				break
			}
			if taken++; !within(n, set) {
				t.Errorf("%+v refuses %s", c, text)
			}
			if n, _ = exactly(word{text: text + "1"}); within(n, set) {
				t.Errorf("%+v takes %s1", c, text)
			}
		}
		if taken < 10 {
			t.Errorf("%+v: only %d steps", c, taken)
		}
	}
}

// FuzzSet: whatever a payload is, what leaves lies in the reading's registers, within
// its limits, and reads back as the value that was asked for.
func FuzzSet(f *testing.F) {
	for _, payload := range []string{"21.5", "-1e400", "on", "heat", `{"id":1,"value":21.5}`, "[1,2,3]", "NaN", `{"value":[true,false,1]}`, "1e-30", `"on"`} {
		f.Add([]byte(payload))
	}
	all := []*profile.Reading{setpoint, count, wide, great, mode, pump, valve, valves, curve, rough, part, flags, label, clock, days, total}
	f.Fuzz(func(t *testing.T, payload []byte) {
		set, err := message.DecodeSet(payload)
		if err != nil {
			return
		}
		for _, r := range all {
			w, bad := (&setter{lacks: &lacking{}}).writing(set, r)
			if bad != nil {
				continue
			}
			if err := modbus.CheckRequest(w.request.PDU); err != nil {
				t.Fatalf("%s %q: %v", r.Name, payload, err)
			}
			for _, s := range modbus.Spans(w.request.PDU) {
				if s.Write && (s.Table != r.Table || s.Address < r.Address || s.End() > r.Span().End()) {
					t.Fatalf("%s %q writes %+v", r.Name, payload, s)
				}
			}
			held, err := r.Decode(w.data)
			if err != nil {
				t.Fatalf("%s %q holds no value: %v", r.Name, payload, err)
			}
			if r.IsNumber() && held.IsNumber() && !near(held.Float(), r.Set) {
				t.Fatalf("%s %q: the device would hold %s", r.Name, payload, held)
			}
		}
	})
}
