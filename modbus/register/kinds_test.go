package register_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

func holding(kind register.Type, change ...func(*register.Field)) register.Field {
	f := register.Field{Table: modbus.HoldingRegisters, Type: kind, Bit: -1, Decimals: register.Auto}
	for _, c := range change {
		c(&f)
	}
	return f
}

func count(n int) func(*register.Field)            { return func(f *register.Field) { f.Count = n } }
func order(o register.Order) func(*register.Field) { return func(f *register.Field) { f.Order = o } }
func none(raw ...uint64) func(*register.Field)     { return func(f *register.Field) { f.NoData = raw } }
func scale(s float64) func(*register.Field)        { return func(f *register.Field) { f.Scale = s } }
func offset(o float64) func(*register.Field)       { return func(f *register.Field) { f.Offset = o } }
func bits(first, width int) func(*register.Field) {
	return func(f *register.Field) { f.Bit, f.Width = first, width }
}

var modes = []register.Name{{Number: 0, Name: "off"}, {Number: 1, Name: "heat"}, {Number: 2, Name: `co"ol`}, {Number: 7, Name: "off"}}

func named(f *register.Field) { f.Names = modes }
func flagged(f *register.Field) {
	f.Flags = []register.Name{{Number: 0, Name: "pump"}, {Number: 3, Name: "alarm"}}
}

// Content that is one value and comes back as the same bytes.
var kinds = []struct {
	field      register.Field
	data, json string
}{
	{holding(register.BCD16), "1234", "1234"},
	{holding(register.BCD16, order(register.Little)), "3412", "1234"},
	{holding(register.BCD16, scale(0.01)), "0005", "0.05"},
	{holding(register.BCD16, scale(0.1), offset(-40)), "0005", "-39.5"},
	{holding(register.Int16, scale(0.1)), "00C8", "20"}, // no zeros at the end
	{holding(register.Int16, scale(0.1), func(f *register.Field) { f.Decimals = 1 }), "00C8", "20.0"},
	{holding(register.BCD32), "12345678", "12345678"},
	{holding(register.BCD32, order(register.LittleSwap)), "56781234", "12345678"},
	{holding(register.BCD32, order(register.BigSwap)), "34127856", "12345678"},
	{holding(register.BCD32, order(register.Little)), "78563412", "12345678"},
	{holding(register.BCD64), "9876543210123456", "9876543210123456"},
	{holding(register.BCD64, scale(0.001)), "9999999999999999", "9999999999999.999"},
	{holding(register.BCD16, count(3)), "0001 9999 0100", "[1,9999,100]"},

	{holding(register.String, count(4)), "4D462D3130300000", `"MF-100"`},
	{holding(register.String, count(4), order(register.LittleSwap)), "4D462D3130300000", `"MF-100"`},
	{holding(register.String, count(4), order(register.BigSwap)), "464D312D30300000", `"MF-100"`},
	{holding(register.String, count(4), order(register.Little)), "464D312D30300000", `"MF-100"`},
	{holding(register.String), "4100", `"A"`},
	{holding(register.String, count(2)), "00000000", `""`},
	{holding(register.String, count(2)), "220A5C00", `"\"\u000a\\"`},
	{holding(register.String, count(2)), "20C3A900", `" é"`},
	{holding(register.String, count(3)), "017FC2850000", `"\u0001\u007f\u0085"`},

	{holding(register.TimeUnix), "00000000", `"1970-01-01T00:00:00Z"`},
	{holding(register.TimeUnix), "FFFFFFFF", `"2106-02-07T06:28:15Z"`},
	{holding(register.TimeUnix, order(register.LittleSwap)), "00016925", `"2025-11-25T01:01:53Z"`},
	{holding(register.TimeUnixMS), "00000000000003E9", `"1970-01-01T00:00:01.001Z"`},
	{holding(register.TimeUnixMS, order(register.Little)), "E903000000000000", `"1970-01-01T00:00:01.001Z"`},
	{holding(register.TimeRegisters), "07EA 000B 0018 000C 0025 0012", `"2026-11-24T12:37:18Z"`},
	{holding(register.TimeRegisters, order(register.Little)), "EA07 0B00 1800 0C00 2500 1200", `"2026-11-24T12:37:18Z"`},
	{holding(register.TimeBytes), "1A0B 180C 2512", `"2026-11-24T12:37:18Z"`},
	{holding(register.TimeBytes, order(register.BigSwap)), "0B1A 0C18 1225", `"2026-11-24T12:37:18Z"`},
	{holding(register.TimeBCD), "2611 2412 3718", `"2026-11-24T12:37:18Z"`},
	{holding(register.TimeBCD), "0002 2923 5959", `"2000-02-29T23:59:59Z"`},
	{holding(register.TimeUnix, count(2)), "00000000 00000001", `["1970-01-01T00:00:00Z","1970-01-01T00:00:01Z"]`},

	{holding(register.Uint16, named), "0001", `"heat"`},
	{holding(register.Uint16, named), "0002", `"co\"ol"`},
	{holding(register.Uint16, named), "0009", `9`},
	{holding(register.Int16, func(f *register.Field) { f.Names = []register.Name{{Number: -1, Name: "fault"}} }), "FFFF", `"fault"`},
	{holding(register.Uint64, func(f *register.Field) { f.Names = []register.Name{{Number: -1, Name: "all"}} }), "FFFFFFFFFFFFFFFF", `"all"`},
	{holding(register.BCD16, func(f *register.Field) { f.Names = []register.Name{{Number: 10, Name: "ten"}} }), "0010", `"ten"`},
	{holding(register.Uint32, named, order(register.LittleSwap)), "0001 0000", `"heat"`},
	{holding(register.Uint16, named, count(3)), "0001 0005 0000", `["heat",5,"off"]`},
	{register.Field{Table: modbus.Coils, Type: register.Bool, Bit: -1, Names: modes[:2]}, "01", `"heat"`},
	{register.Field{Table: modbus.Coils, Type: register.Bool, Bit: -1, Names: modes[:2], Count: 2}, "02", `["off","heat"]`},

	{holding(register.Uint16, flagged), "0009", `["pump","alarm"]`},
	{holding(register.Uint16, flagged), "0000", `[]`},
	{holding(register.Uint16, flagged, order(register.Little)), "0800", `["alarm"]`},
	{holding(register.Uint32, func(f *register.Field) { f.Flags = []register.Name{{Number: 31, Name: "top"}} }), "80000000", `["top"]`},
	{holding(register.Int64, func(f *register.Field) { f.Flags = []register.Name{{Number: 63, Name: "top"}} }), "8000000000000000", `["top"]`},
}

func TestKinds(t *testing.T) {
	for _, k := range kinds {
		if err := k.field.Check(); err != nil {
			t.Errorf("%s: %v", k.json, err)
			continue
		}
		data := bytesOf(t, k.data)
		v, err := k.field.Decode(data)
		if err != nil || string(v.JSON()) != k.json || !json.Valid(v.JSON()) {
			t.Errorf("%s %s %s: %s, %v; want %s", k.field.Type, k.field.Order, k.data, v.JSON(), err, k.json)
			continue
		}
		given, err := register.Parse([]byte(k.json))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := k.field.AppendData(nil, given); err != nil || hex.EncodeToString(back) != hex.EncodeToString(data) {
			t.Errorf("%s %s: %s is written as %X, %v; want %s", k.field.Type, k.field.Order, k.json, back, err, k.data)
		}
	}
}

// Content that is read, though it would be written in another way.
func TestWhatIsReadOnly(t *testing.T) {
	for _, tt := range []struct {
		field      register.Field
		data, json string
	}{
		{holding(register.String, count(3)), "4D4620200020", `"MF"`},
		{holding(register.String, count(3)), "4D462000FF41", `"MF"`}, // what is behind a NUL is of no meaning
		{holding(register.String, count(3)), "0000FF414243", `""`},
		{holding(register.String, count(2)), "E9200000", `"é"`},       // Latin-1
		{holding(register.String, count(2)), "80FF0000", `"\u0080ÿ"`}, // likewise
		{holding(register.String, count(3)), "C3A9FF000000", `"Ã©ÿ"`},
		{holding(register.TimeRegisters), "001A 000B 0018 000C 0025 0012", `"2026-11-24T12:37:18Z"`},
		{holding(register.Uint16, named), "0007", `"off"`},
		{holding(register.Uint16, flagged), "FFF6", `[]`},
	} {
		v, err := tt.field.Decode(bytesOf(t, tt.data))
		if err != nil || string(v.JSON()) != tt.json {
			t.Errorf("%s %s: %s, %v; want %s", tt.field.Type, tt.data, v.JSON(), err, tt.json)
		}
	}
}

func TestWhatIsNoValue(t *testing.T) {
	for _, tt := range []struct {
		field     register.Field
		data, say string
	}{
		{holding(register.BCD16), "1A34", "0x1A34, which is no BCD number"},
		{holding(register.BCD32), "FFFFFFFF", "0xFFFFFFFF, which is no BCD number"},
		{holding(register.BCD16, none(0x9999)), "9999", "0x9999"},
		{holding(register.BCD64, none(0x9999999999999999)), "9999999999999999", "0x9999999999999999"},
		{holding(register.BCD16, count(2)), "A000 0A00", "0x0A00, which is no BCD number"},
		{holding(register.String, count(3), none(0xFFFF)), "FFFFFFFFFFFF", "0xFFFF"},
		{holding(register.String, count(2), none(0)), "00000000", "0x0000"},
		{holding(register.TimeUnix, none(0)), "00000000", "0x00000000"},
		{holding(register.TimeUnixMS), "FFFFFFFFFFFFFFFF", "18446744073709551615, which is a time after the year 9999"},
		{holding(register.TimeRegisters), "000000000000000000000000", "00 00 00 00 00 00 00 00 00 00 00 00, which is no date and time"},
		{holding(register.TimeRegisters), "07EA 0002 001E 0000 0000 0000", "which is no date and time"},
		{holding(register.TimeRegisters), "2710 0001 0001 0000 0000 0000", "which is no date and time"},
		{holding(register.TimeRegisters), "07EA 0001 0001 0018 0000 0000", "which is no date and time"},
		{holding(register.TimeRegisters, none(0xFFFF)), "FFFFFFFFFFFFFFFFFFFFFFFF", "0xFFFF"},
		{holding(register.TimeBytes), "640B 180C 2512", "64 0B 18 0C 25 12, which is no date and time"},
		{holding(register.TimeBytes), "1A0B 180C 3C00", "which is no date and time"},
		{holding(register.TimeBCD), "1A0B 180C 2512", "1A 0B 18 0C 25 12, which is no date and time"},
		{holding(register.Uint16, bits(4, 4), none(0xF)), "00F0", "0x000F"},
		{holding(register.Uint16, named, none(0xFFFF)), "FFFF", "0xFFFF"},
		{holding(register.Uint16, flagged, none(0xFFFF)), "FFFF", "0xFFFF"},
	} {
		if err := tt.field.Check(); err != nil {
			t.Error(err)
		}
		v, err := tt.field.Decode(bytesOf(t, tt.data))
		if !errors.Is(err, register.ErrNoData) || !strings.Contains(err.Error(), tt.say) || !v.IsNull() {
			t.Errorf("%s %s: %v, %v; want ErrNoData naming %s", tt.field.Type, tt.data, v, err, tt.say)
		}
	}
}

func TestNullIsWrittenAsNoData(t *testing.T) {
	for _, f := range []register.Field{
		holding(register.BCD16, none(0xFFFF)), holding(register.String, count(3), none(0xFFFF)), holding(register.TimeBCD, none(0xFFFF)),
		holding(register.TimeRegisters, none(0xFFFF)), holding(register.TimeUnix, none(0xFFFFFFFF)), holding(register.Uint16, flagged, none(0xFFFF)),
	} {
		data, err := f.AppendData(nil, register.Value{})
		if err != nil || strings.Trim(hex.EncodeToString(data), "f") != "" || len(data) != f.DataSize() {
			t.Errorf("%s: %X, %v", f.Type, data, err)
		}
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	for _, tt := range []struct {
		field      register.Field
		json, want string
	}{
		{holding(register.BCD16), "10000", "10000 does not fit into bcd16 at scale 1"},
		{holding(register.BCD16), "-1", "does not fit"},
		{holding(register.BCD32), `"12"`, "needs a number"},
		{holding(register.String, count(2)), `"12345"`, `"12345" does not fit into the 4 bytes of 2 registers`},
		{holding(register.String, count(2)), `12`, "12 where string needs a text in quotes"},
		{holding(register.String, count(2)), `null`, "null where string needs a text"},
		{holding(register.TimeUnix), `"1969-12-31T23:59:59Z"`, `does not fit into time-unix`},
		{holding(register.TimeUnix), `"2106-02-07T06:28:16Z"`, `does not fit into time-unix`},
		{holding(register.TimeUnix), `"yesterday"`, `"yesterday" where time-unix needs a date and time`},
		{holding(register.TimeUnix), `1764000000`, `needs a date and time`},
		{holding(register.TimeUnixMS), `"1969-12-31T23:59:59.999Z"`, `does not fit into time-unix-ms`},
		{holding(register.TimeBytes), `"1999-12-31T23:59:59Z"`, `does not fit into time-bytes`},
		{holding(register.TimeBCD), `"2100-01-01T00:00:00Z"`, `does not fit into time-bcd`},
		{holding(register.TimeRegisters), `"0099-01-01T00:00:00Z"`, `does not fit into time-registers`},
		{holding(register.Uint16, named), `"cool"`, `"cool" is no name of it: known are off, heat, co"ol`},
		{holding(register.Uint16, named), `1.5e9`, `does not fit`},
		{holding(register.Uint16, flagged), `["pump","fan"]`, `"fan" is no flag of it: known are pump, alarm`},
		{holding(register.Uint16, flagged), `"pump"`, `"pump" where flags need the list of those that are on, such as ["pump"]`},
		{holding(register.Uint16, flagged), `9`, `9 where flags need the list`},
		{holding(register.Uint16, bits(4, 4)), `1`, `can only be changed by a mask write`},
	} {
		v, err := register.Parse([]byte(tt.json))
		if err != nil {
			t.Fatal(err)
		}
		data, err := tt.field.AppendData([]byte("x"), v)
		if err == nil || !strings.Contains(err.Error(), tt.want) || string(data) != "x" {
			t.Errorf("%s as %s: %X, %v; want %s", tt.json, tt.field.Type, data, err, tt.want)
		}
	}
}

// A time is written in UTC, without what the type does not have.
func TestTimesOfOtherZones(t *testing.T) {
	for _, kind := range []register.Type{register.TimeUnix, register.TimeRegisters, register.TimeBytes, register.TimeBCD} {
		f := holding(kind)
		data, err := f.AppendData(nil, register.Text("2026-11-24T20:37:18.999+08:00"))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := f.Decode(data); err != nil || v.String() != "2026-11-24T12:37:18Z" {
			t.Errorf("%s: %s, %v", kind, v, err)
		}
	}
}

func TestNamesAreGivenAsNumbersToo(t *testing.T) {
	f := holding(register.Uint16, named)
	for text, want := range map[string]string{`"off"`: "0000", `1`: "0001", `7`: "0007", `500`: "01f4"} {
		v, err := register.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := f.AppendData(nil, v); err != nil || hex.EncodeToString(data) != want {
			t.Errorf("%s: %X, %v; want %s", text, data, err, want)
		}
	}
}
