package register_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"modferry/modbus"
	"modferry/modbus/register"
)

// anyField is any field that passes Check.
func anyField(t *rapid.T) register.Field {
	f := register.Field{
		Table:    rapid.SampledFrom([]modbus.Table{modbus.HoldingRegisters, modbus.InputRegisters}).Draw(t, "table"),
		Type:     register.Type(rapid.IntRange(int(register.Bool), int(register.TimeBCD)).Draw(t, "type")),
		Order:    register.Order(rapid.IntRange(0, 3).Draw(t, "order")),
		Bit:      rapid.IntRange(0, 15).Draw(t, "bit"),
		Count:    rapid.IntRange(0, 6).Draw(t, "count"),
		Decimals: register.Auto,
	}
	whole := f.Type >= register.Int16 && f.Type <= register.Uint64
	part := f.Type <= register.Uint16 && rapid.Bool().Draw(t, "part")
	switch {
	case f.Type == register.Bool && part:
		f.Table = modbus.Coils
	case f.Type == register.Bool:
		f.Count = 1
	case part:
		f.Count, f.Width = 1, rapid.IntRange(1, 16-f.Bit).Draw(t, "width")
	}
	switch rapid.IntRange(0, 3).Draw(t, "shown as") {
	case 0:
		if f.Type.IsNumber() {
			f.Scale = rapid.SampledFrom([]float64{0, 1, 0.1, 0.01, 0.001, 0.5, 0.25, 10, -0.1}).Draw(t, "scale")
			f.Offset = rapid.SampledFrom([]float64{0, 1, -40, 273.15, 0.001}).Draw(t, "offset")
		}
	case 1:
		if whole || f.Type == register.Bool {
			f.Names = []register.Name{{Number: 0, Name: "off"}, {Number: 1, Name: "on"}}
		}
	case 2:
		if whole && f.Count <= 1 {
			f.Flags = []register.Name{{Number: 0, Name: "pump"}}
			if f.Width != 1 {
				f.Flags = append(f.Flags, register.Name{Number: 1, Name: "alarm"})
			}
		}
	}
	if f.Type != register.Bool && rapid.Bool().Draw(t, "sentinel") {
		f.NoData = []uint64{rapid.Uint64Range(0, 1).Draw(t, "no data")}
	}
	if f.Width == 1 && len(f.Names) > 0 && f.Type == register.Int16 {
		f.Names = f.Names[:1] // one bit of an int16 is 0 or -1
	}
	return f
}

// content is data for a field: often something that means a value.
func content(t *rapid.T, f register.Field) []byte {
	n := f.DataSize()
	if f.Type == register.String || f.Type == register.Bool || rapid.IntRange(0, 9).Draw(t, "anything") == 0 {
		return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
	}
	values := make([]register.Value, max(f.Count, 1))
	for i := range values {
		values[i] = value(t, f)
	}
	v := values[0]
	if len(values) > 1 {
		v = register.List(values)
	}
	bare := f
	bare.Names, bare.Flags, bare.Scale, bare.Offset, bare.Width = nil, nil, 0, 0, 0
	data, err := bare.AppendData(nil, v)
	if err != nil {
		t.Fatalf("%s cannot hold %s: %v", f.Type, v, err)
	}
	return data
}

// value is what a field without scale and names can hold.
func value(t *rapid.T, f register.Field) register.Value {
	digits := map[register.Type]int64{register.BCD16: 1e4, register.BCD32: 1e8, register.BCD64: 1e16}[f.Type]
	switch {
	case digits > 0:
		return parsed(t, rapid.Int64Range(0, digits-1).Draw(t, "digits"))
	case f.Type.IsTime():
		first, last := time.Unix(0, 0), time.Unix(1<<32-1, 0)
		if f.Type == register.TimeBytes || f.Type == register.TimeBCD {
			first, last = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
		}
		at := time.Unix(rapid.Int64Range(first.Unix(), last.Unix()).Draw(t, "time"), 0)
		return register.Text(at.UTC().Format(time.RFC3339))
	}
	raw := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "raw")
	one := register.Field{Table: modbus.HoldingRegisters, Type: f.Type, Decimals: register.Auto}
	v, err := one.Decode(raw[:one.DataSize()])
	if err != nil {
		return register.Number(0)
	}
	return v
}

func parsed(t *rapid.T, v any) register.Value {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := register.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Whatever a field of any type reads is written so that it reads the same again.
func TestPropertyWrittenReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyField(t)
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
		if f.Type.IsNumber() && (f.Type >= register.Int64 && f.Type <= register.Float64 || f.Type == register.BCD64) {
			f.Scale, f.Offset = 0, 0 // beyond 18 digits a scale costs some of them
		}
		v, err := f.Decode(content(t, f))
		if errors.Is(err, register.ErrNoData) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(v.Items(), register.Value.IsNull) && len(f.NoData) == 0 {
			return // a place of a block whose content cannot be written
		}
		var again register.Value
		if f.IsPart() {
			again, err = masked(t, f, v)
		} else {
			var data []byte
			data, err = f.AppendData(nil, v)
			var outside *register.RangeError
			if f.Type == register.String && errors.As(err, &outside) {
				return // Latin-1 that takes more bytes as UTF-8
			} else if err == nil {
				again, err = f.Decode(data)
			}
		}
		if err == nil && again.Equal(v) {
			return
		}
		if errors.Is(err, register.ErrNoData) && len(f.NoData) > 0 {
			return // a flag that is off may leave what means no data
		}
		t.Fatalf("%+v: %s comes back as %s, %v", f, v.JSON(), again.JSON(), err)
	})
}

// masked writes into a register with other bits, which must stay as they are.
func masked(t *rapid.T, f register.Field, v register.Value) (register.Value, error) {
	and, or, err := f.Mask(v)
	if err != nil {
		return register.Value{}, err
	}
	before := rapid.Uint16().Draw(t, "before")
	after := before&and | or&^and
	if (before^after)&and != 0 {
		t.Fatalf("other bits change: %04X, %04X", before, after)
	}
	return f.Decode(modbus.AppendRegisters(nil, after))
}

// The fast way to JSON is the same as the long one, for any data.
func TestPropertyAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyField(t)
		f.Decimals = rapid.IntRange(-1, 3).Draw(t, "decimals")
		if f.Check() != nil {
			f.Decimals = register.Auto
		}
		var data []byte
		if rapid.IntRange(0, 9).Draw(t, "size") == 0 {
			data = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data")
		} else {
			data = content(t, f)
		}
		want := []byte("before")
		v, wantErr := f.Decode(data)
		if wantErr == nil {
			want = v.AppendJSON(want)
		}
		got, err := f.Decoder().AppendJSON([]byte("before"), data)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%+v % X: %s, %v; want %s, %v", f, data, got, err, want, wantErr)
		}
		if err == nil && !json.Valid(got[len("before"):]) {
			t.Fatalf("%s is no JSON", got)
		}
	})
}

// No byte of a device reaches JSON as a control character, and its text is kept.
func TestPropertyTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "data")
		if rapid.Bool().Draw(t, "text") {
			data = append(data[:0], rapid.StringN(1, 4, 8).Draw(t, "letters")...)
			data = append(data, make([]byte, max(0, 8-len(data)))...)[:8]
		}
		v, err := holding(register.String, count(4)).Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		text := v.JSON()
		if !json.Valid(text) || !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 }) {
			t.Fatalf("% X is %s", data, text)
		}
		back, err := register.Parse(text)
		if err != nil || !back.Equal(v) {
			t.Fatalf("%s is read as %s, %v", text, back, err)
		}
		var decoded string
		if err := json.Unmarshal(text, &decoded); err != nil || decoded != v.String() {
			t.Fatalf("%s is %q, %v; want %q", text, decoded, err, v.String())
		}
		if head, _, _ := strings.Cut(string(data), "\x00"); utf8.ValidString(head) && strings.TrimRight(head, " ") != v.String() {
			t.Fatalf("%q is read as %q", data, v.String())
		}
	})
}

// A scaled float32 is what float64 makes of its shortest decimal number, in 15 digits.
func TestPropertyScaledFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.Float32Range(-1e7, 1e7).Draw(t, "raw")
		if rapid.Bool().Draw(t, "as sensors have it") {
			raw = float32(rapid.IntRange(-1_000_000, 1_000_000).Draw(t, "digits")) / 1000
		}
		f := holding(register.Float32, scale(rapid.SampledFrom([]float64{0.1, 0.01, 0.001, 0.5, 10, 3.6, -1, 1000}).Draw(t, "scale")))
		f.Decimals = rapid.IntRange(-1, 4).Draw(t, "decimals")
		v, err := f.Decode(binary.BigEndian.AppendUint32(nil, math.Float32bits(raw)))
		if err != nil {
			t.Fatal(err)
		}
		short, _ := strconv.ParseFloat(strconv.FormatFloat(float64(raw), 'g', -1, 32), 64)
		want, _ := strconv.ParseFloat(strconv.FormatFloat(short*f.Scale, 'g', 15, 64), 64)
		if got := v.Float(); f.Decimals < 0 && got != want {
			t.Fatalf("%v x %v is %s, want %v", raw, f.Scale, v, want)
		} else if math.Abs(got-want) > 0.5001*math.Pow10(-max(f.Decimals, 0)) {
			t.Fatalf("%v x %v with %d decimals is %s", raw, f.Scale, f.Decimals, v)
		}
		if text := v.String(); f.Decimals >= 0 && text != strconv.FormatFloat(v.Float(), 'f', f.Decimals, 64) {
			t.Fatalf("%s has not %d decimals", text, f.Decimals)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for i := range register.TypeNames() {
		f.Add(byte(i+1), byte(i), byte(3), byte(4), 0.1, 2.0, uint64(0x8000), []byte{0x80, 0x02, 0x04, 0x01, 0x12, 0x34, 0x22, 0x0A, 0xFF, 0xC3, 0x00, 0x20})
	}
	f.Fuzz(func(t *testing.T, kind, order, bit, shape byte, scale, offset float64, none uint64, data []byte) {
		field := register.Field{
			Table: modbus.Table(1 + shape%4), Type: register.Type(kind), Order: register.Order(order % 4), Bit: int(bit % 16),
			Count: int(shape / 4 % 8), Scale: scale, Offset: offset, Decimals: int(bit/16) - 1, NoData: []uint64{none},
		}
		switch shape / 32 {
		case 1:
			field.NoData = nil
		case 2:
			field.NoData, field.Names = nil, modes
		case 3:
			field.NoData, field.Flags = nil, []register.Name{{Number: 1, Name: "a"}}
		case 4:
			field.Width = int(bit/16) + 1
		}
		if field.Check() != nil {
			return
		}
		data = append(data, make([]byte, field.DataSize())...)[:field.DataSize()]
		v, err := field.Decode(data)
		if err != nil {
			if !errors.Is(err, register.ErrNoData) || err.Error() == "" {
				t.Fatalf("%+v % X: %v", field, data, err)
			}
			return
		}
		text := v.JSON()
		fast, err := field.Decoder().AppendJSON(nil, data)
		if err != nil || !bytes.Equal(fast, text) || !json.Valid(text) {
			t.Fatalf("%+v % X: %s and %s, %v", field, data, text, fast, err)
		}
		if _, err := register.Parse(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, _ = field.AppendData(nil, v) // must not panic
		_, _, _ = field.Mask(v)
	})
}
