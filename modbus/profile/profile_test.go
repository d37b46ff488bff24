package profile_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

var shipped = os.DirFS("../../configs")

func TestShippedProfiles(t *testing.T) {
	names := profile.Names(shipped)
	if !slices.Contains(names, "xy-md02") {
		t.Fatalf("the profiles are %q", names)
	}
	for _, name := range names {
		p, err := profile.Load(shipped, name)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Name != name || p.Source == "" || len(p.Readings) == 0 || len(p.Registers) == 0 {
			t.Errorf("%s: name %q, source %q, %d readings, %d registers", name, p.Name, p.Source, len(p.Readings), len(p.Registers))
		}
	}
}

func TestXYMD02(t *testing.T) {
	p, err := profile.Load(shipped, "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	if p.Unit != 1 || p.Serial != (profile.Serial{Baud: 9600, Parity: "none", DataBits: 8, StopBits: 1}) {
		t.Errorf("unit %d, %+v", p.Unit, p.Serial)
	}
	if !slices.Equal(p.Functions, []byte{3, 4, 6, 16}) {
		t.Errorf("functions %v", p.Functions)
	}
	temperature := p.Readings[0]
	if v, err := temperature.Decode([]byte{0xFF, 0x33}); err != nil || v.String() != "-20.5" || temperature.Unit != "°C" {
		t.Errorf("temperature %v %s, %v", v, temperature.Unit, err)
	}
	address := p.Registers[slices.IndexFunc(p.Registers, func(r profile.Register) bool { return r.Role == profile.UnitID })]
	if address.Address != 0x0101 || address.Applies != profile.AtRestart || address.Min != 1 || address.Max != 247 {
		t.Errorf("address register: %+v", address)
	}
}

func TestLoadNamesWhatIsThere(t *testing.T) {
	fsys := fstest.MapFS{"profiles/b.yaml": {}, "profiles/a.yaml": {}, "profiles/notes.txt": {}}
	for _, name := range []string{"c", "", "../a", "a.yaml"} {
		_, err := profile.Load(fsys, name)
		if err == nil || !strings.HasSuffix(err.Error(), "known are a, b") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := profile.Load(fstest.MapFS{}, "c"); err == nil || !strings.Contains(err.Error(), `no profile "c"`) {
		t.Error(err)
	}
}

const small = "title: x\nreadings:\n"

func TestReading(t *testing.T) {
	tests := map[string]profile.Reading{
		`{holding: 0x0103, type: int16, scale: 0.1, unit: "°C", deadband: 0.2, set: {min: -10, max: 10}}`: {
			Field: register.Field{Table: modbus.HoldingRegisters, Address: 0x103, Type: register.Int16, Bit: -1, Scale: 0.1, Decimals: -1},
			Unit:  "°C", Deadband: profile.Deadband{Absolute: 0.2}, Set: &profile.Set{Min: -10, Max: 10}},
		`{input: 100, count: 125, type: uint16, every: 500ms, heartbeat: 10m}`: {
			Field: register.Field{Table: modbus.InputRegisters, Address: 100, Type: register.Uint16, Bit: -1, Count: 125, Scale: 1, Decimals: -1},
			Every: 500 * time.Millisecond, Heartbeat: 10 * time.Minute},
		`{coil: 7}`: {
			Field: register.Field{Table: modbus.Coils, Address: 7, Type: register.Bool, Bit: -1, Scale: 1, Decimals: -1}},
		`{holding: 7, bit: 15}`: {
			Field: register.Field{Table: modbus.HoldingRegisters, Address: 7, Type: register.Bool, Bit: 15, Scale: 1, Decimals: -1}},
		`{discrete: 0, count: 2000}`: {
			Field: register.Field{Table: modbus.DiscreteInputs, Type: register.Bool, Bit: -1, Count: 2000, Scale: 1, Decimals: -1}},
		`{input: 0, type: uint16, count: 125, deadband: 2%}`: {
			Field:    register.Field{Table: modbus.InputRegisters, Type: register.Uint16, Bit: -1, Count: 125, Scale: 1, Decimals: -1},
			Deadband: profile.Deadband{Percent: 2}},
		`{input: 2, type: float32, order: little-swap, offset: -273.15, decimals: 2, no_data: -9999}`: {
			Field: register.Field{Table: modbus.InputRegisters, Address: 2, Type: register.Float32, Bit: -1, Order: register.LittleSwap,
				Scale: 1, Offset: -273.15, Decimals: 2, NoData: []uint64{0xC61C3C00}}},
		`{input: 2, type: int16, no_data: [0x8000, -1, 32767]}`: {
			Field: register.Field{Table: modbus.InputRegisters, Address: 2, Type: register.Int16, Bit: -1, Scale: 1, Decimals: -1,
				NoData: []uint64{0x8000, 0xFFFF, 0x7FFF}}},
		`{input: 2, type: uint64, no_data: [0xFFFFFFFFFFFFFFFE, 0x100000000]}`: {
			Field: register.Field{Table: modbus.InputRegisters, Address: 2, Type: register.Uint64, Bit: -1, Scale: 1, Decimals: -1,
				NoData: []uint64{0xFFFFFFFFFFFFFFFE, 0x100000000}}},
	}
	for text, want := range tests {
		p, err := profile.Parse("x.yaml", []byte(small+"  r: "+text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want.Name = "r"
		if got := p.Readings[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := profile.Parse("x.yaml", []byte("unit: 300\nreadings:\n  a: {input: 1, type: int}\n  b: {inputs: 1}\nregister: {}\n"))
	for _, want := range []string{"title", "x.yaml:1:7: unit", "x.yaml:3:23: readings.a.type", "x.yaml:4:6: readings.b", "x.yaml:5:1: register"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestRegisterLiesWhereItsReadingDoes(t *testing.T) {
	p, err := profile.Parse("dir/x.yaml", []byte(small+"  r: {input: 9, type: int16, scale: 0.1}\nregisters:\n  r: {initial: 2.5}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Registers[0]; r.Address != 9 || r.Scale != 0.1 || r.Initial != 2.5 || !r.ReadOnly || p.Name != "x" {
		t.Errorf("%s: %+v", p.Name, r)
	}
}

func FuzzParse(f *testing.F) {
	shippedText, err := os.ReadFile("../../configs/profiles/xy-md02.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shippedText)
	f.Add([]byte(small + "  r: {holding: 1, type: int16, no_data: [0x8000]}"))
	f.Add([]byte(small + "  r: {holding: 1, bits: 4-7, enum: {0: a}, set: {}}\n  s: {compute: r + 1, decimals: 1}\nlimits: {gap: 3}"))
	f.Add([]byte(small + "  r: {holding: 1, type: string, count: 3, no_data: 0xFFFF}\nregisters: {r: {initial: a}}"))
	f.Add([]byte("registers: {a: {wave: 1, corrects: a}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := profile.Parse("x.yaml", text)
		if err != nil {
			return
		}
		for _, r := range p.Readings {
			if err := r.Check(); (err == nil) == (r.Compute != "") {
				t.Errorf("accepted reading %q: %v", r.Name, err)
			}
		}
		for _, r := range p.Registers {
			if err := r.Check(); err != nil {
				t.Errorf("accepted register %q: %v", r.Name, err)
			}
		}
	})
}
