package register_test

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"modferry/modbus"
	"modferry/modbus/register"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"21.5": "21.5", " 21.50 ": "21.5", "-0.05": "-0.05", "true": "true", "null": "null", "1e3": "1000",
		"18446744073709551615": "18446744073709551615", "-9223372036854775808": "-9223372036854775808",
		"[1, 2.5, false, null]": "[1,2.5,false,null]", "1e-300": "1e-300",
		"": "error", "21,5": "error", "abc": "error", `"21"`: `"21"`, `["a\u0007", []]`: `["a\u0007",[]]`, `"a`: "error", "0x10": "error", "1e999": "error", "{}": "error", "[1": "error", "1 2": "error",
	} {
		got := "error"
		if v, err := register.Parse([]byte(text)); err == nil {
			got = string(v.AppendJSON(nil))
		}
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestWritingOutOfRange(t *testing.T) {
	for _, tt := range []struct {
		field register.Field
		value string
		want  uint64 // if it fits
		fits  bool
	}{
		{register.Field{Type: register.Int16, Scale: 0.1}, "-3276.8", 0x8000, true},
		{register.Field{Type: register.Int16, Scale: 0.1}, "3276.74", 0x7FFF, true}, // to the nearest
		{register.Field{Type: register.Int16, Scale: 0.1}, "3276.8", 0, false},
		{register.Field{Type: register.Uint16}, "-1", 0, false},
		{register.Field{Type: register.Uint16}, "65536", 0, false},
		{register.Field{Type: register.Uint32, Offset: 100}, "99", 0, false},
		{register.Field{Type: register.Int64, Scale: 1e-9}, "1e300", 0, false},
		{register.Field{Type: register.Float32}, "1e39", 0, false},
		{register.Field{Type: register.Float32, Scale: 2}, "3", 0x3FC00000, true},
		{register.Field{Type: register.Uint16, NoData: []uint64{0xFFFE}}, "null", 0xFFFE, true},
	} {
		tt.field.Table = modbus.HoldingRegisters
		v, err := register.Parse([]byte(tt.value))
		if err != nil {
			t.Fatal(err)
		}
		data, err := tt.field.AppendData(nil, v)
		var outside *register.RangeError
		switch {
		case !tt.fits && !errors.As(err, &outside):
			t.Errorf("%s as %s: % X, %v; want a RangeError", tt.value, tt.field.Type, data, err)
		case tt.fits && err != nil:
			t.Errorf("%s as %s: %v", tt.value, tt.field.Type, err)
		case tt.fits:
			var raw uint64
			for _, b := range data {
				raw = raw<<8 | uint64(b)
			}
			if raw != tt.want {
				t.Errorf("%s as %s: %X, want %X", tt.value, tt.field.Type, raw, tt.want)
			}
		}
	}
}

func TestWritingTheWrongKind(t *testing.T) {
	for name, field := range map[string]register.Field{
		"text for a number":   {Table: modbus.HoldingRegisters, Type: register.Int16},
		"block of other size": {Table: modbus.HoldingRegisters, Type: register.Int16, Count: 3},
		"bit of a register":   {Table: modbus.HoldingRegisters, Type: register.Bool, Bit: 1},
	} {
		if data, err := field.AppendData(nil, register.BoolValue(true)); err == nil {
			t.Errorf("%s: % X", name, data)
		}
	}
	coil := register.Field{Table: modbus.Coils, Type: register.Bool}
	if data, err := coil.AppendData(nil, register.Number(0.5)); err == nil {
		t.Errorf("half a coil: % X", data)
	}
	if data, err := coil.AppendData(nil, register.Number(1)); err != nil || data[0] != 1 {
		t.Errorf("1 for a coil: % X, %v", data, err)
	}
}

func fields(t *rapid.T) register.Field {
	f := register.Field{
		Table:    modbus.InputRegisters,
		Type:     register.Type(rapid.IntRange(int(register.Int16), int(register.Float64)).Draw(t, "type")),
		Order:    register.Order(rapid.IntRange(0, 3).Draw(t, "order")),
		Count:    rapid.IntRange(0, 5).Draw(t, "count"),
		Decimals: register.Auto,
	}
	return f
}

// Whatever a device sends is either no data or a value that comes back as the same bytes.
func TestPropertyDecodedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fields(t)
		f.Count = 1
		if f.Type < register.Int64 { // beyond that a scale may need more than 18 digits
			f.Scale = rapid.SampledFrom([]float64{0, 1, 0.1, 0.01, 0.001, 0.5, 0.25, 10, 100, -0.1}).Draw(t, "scale")
			f.Offset = rapid.SampledFrom([]float64{0, 1, -40, 273.15, 0.001}).Draw(t, "offset")
		}
		data := rapid.SliceOfN(rapid.Byte(), f.DataSize(), f.DataSize()).Draw(t, "data")
		v, err := f.Decode(data)
		if errors.Is(err, register.ErrNoData) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		back, err := f.AppendData(nil, v)
		if err != nil || string(back) != string(data) {
			t.Fatalf("% X is %s is % X, %v", data, v, back, err)
		}
	})
}

// What is printed for a scaled integer is the nearest decimal number, with no more digits than scale and offset.
func TestPropertyNoNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.Int16().Draw(t, "raw")
		digits := rapid.IntRange(0, 6).Draw(t, "digits")
		f := register.Field{Table: modbus.HoldingRegisters, Type: register.Int16, Scale: math.Pow10(-digits), Decimals: digits}
		v, err := f.Decode(modbus.AppendRegisters(nil, uint16(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if want := strconv.FormatFloat(float64(raw)/math.Pow10(digits), 'f', digits, 64); v.String() != want {
			t.Fatalf("%d with %d decimals is %s, want %s", raw, digits, v, want)
		}
	})
}

// Everything decoded is valid JSON of the same number, and parses back to an equal text.
func TestPropertyJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := fields(t)
		f.Scale = rapid.Float64().Draw(t, "scale")
		f.Offset = rapid.Float64().Draw(t, "offset")
		f.Decimals = rapid.IntRange(-1, 15).Draw(t, "decimals")
		data := rapid.SliceOfN(rapid.Byte(), f.DataSize(), f.DataSize()).Draw(t, "data")
		v, err := f.Decode(data)
		if err != nil {
			return
		}
		text := v.AppendJSON(nil)
		if !json.Valid(text) {
			t.Fatalf("%s is not JSON", text)
		}
		if _, err := register.Parse(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if n := v.Float(); v.IsNumber() {
			read, _ := strconv.ParseFloat(string(text), 64)
			if read != n && math.Abs(read-n) > 1e-9*math.Abs(n) && float32(read) != float32(n) {
				t.Fatalf("%s printed for %v", text, n)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"21.5", "[1,null]", "-0", "1e400", "[[[]]]", "true", "9223372036854775808"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := register.Parse(text)
		if err != nil {
			return
		}
		printed := v.AppendJSON(nil)
		again, err := register.Parse(printed)
		if err != nil || string(again.AppendJSON(nil)) != string(printed) {
			t.Fatalf("%q prints %q, which is %v, %v", text, printed, again, err)
		}
	})
}

func TestDecodingANumberTakesNoMemory(t *testing.T) {
	f := register.Field{Table: modbus.InputRegisters, Type: register.Int16, Scale: 0.1, Decimals: -1, NoData: []uint64{0x8000}}
	data, out := []byte{0xFF, 0x33}, make([]byte, 0, 32)
	allocs := testing.AllocsPerRun(100, func() {
		v, err := f.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		out = v.AppendJSON(out[:0])
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
