package profile_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

func field(table modbus.Table, kind register.Type, change func(*register.Field)) register.Field {
	f := register.Field{Table: table, Address: 7, Type: kind, Bit: -1, Scale: 1, Decimals: register.Auto}
	change(&f)
	return f
}

func same(*register.Field) {}

func TestDescribedReading(t *testing.T) {
	const holding, input = modbus.HoldingRegisters, modbus.InputRegisters
	modes := []register.Name{{Number: 0, Name: "off"}, {Number: 1, Name: "heat"}}
	tests := map[string]profile.Reading{
		`{input: 7, type: int16, title: Room, class: temperature, min_interval: 10s}`: {
			Title: "Room", Class: "temperature", MinInterval: 10 * time.Second, Field: field(input, register.Int16, same)},
		`{input: 7, type: uint16, enum: {0: "off", 1: heat}}`: {
			Field: field(input, register.Uint16, func(f *register.Field) { f.Names = modes })},
		`{coil: 7, enum: {0: off, 0x1: heat}}`: {
			Field: field(modbus.Coils, register.Bool, func(f *register.Field) { f.Names = modes })},
		`{input: 7, type: int16, enum: {-1: true, 0: 5}}`: {
			Field: field(input, register.Int16, func(f *register.Field) {
				f.Names = []register.Name{{Number: -1, Name: "true"}, {Number: 0, Name: "5"}}
			})},
		`{input: 7, type: uint32, flags: {0: pump, 31: alarm}}`: {
			Field: field(input, register.Uint32, func(f *register.Field) {
				f.Flags = []register.Name{{Number: 0, Name: "pump"}, {Number: 31, Name: "alarm"}}
			})},
		`{input: 7, bits: 4-7}`: {
			Field: field(input, register.Uint16, func(f *register.Field) { f.Bit, f.Width = 4, 4 })},
		`{input: 7, bits: 0 - 15, type: int16, no_data: -1}`: {
			Field: field(input, register.Int16, func(f *register.Field) { f.Bit, f.Width, f.NoData = 0, 16, []uint64{0xFFFF} })},
		`{input: 7, type: string, count: 8, no_data: 0xFFFF}`: {
			Field: field(input, register.String, func(f *register.Field) { f.Count, f.NoData = 8, []uint64{0xFFFF} })},
		`{input: 7, type: bcd32, order: little-swap, no_data: [0x99999999, 0]}`: {
			Field: field(input, register.BCD32, func(f *register.Field) { f.Order, f.NoData = register.LittleSwap, []uint64{0x99999999, 0} })},
		`{holding: 7, type: time-unix, set: {verify: true}}`: {
			Field: field(holding, register.TimeUnix, same), Set: &profile.Set{Verify: true}},
		`{holding: 7, type: int16, set: {min: -10, max: 30, step: 0.5, verify: true}}`: {
			Field: field(holding, register.Int16, same), Set: &profile.Set{Min: -10, Max: 30, Step: 0.5, Verify: true}},
		`{coil: 7, set: {}}`: {
			Field: field(modbus.Coils, register.Bool, same), Set: &profile.Set{Max: 1}},
		`{coil: 7, set: {min: 1, max: 1}}`: {
			Field: field(modbus.Coils, register.Bool, same), Set: &profile.Set{Min: 1, Max: 1}},
		`{holding: 7, type: uint16, enum: {0: "off", 1: heat}, set: {}}`: {
			Field: field(holding, register.Uint16, func(f *register.Field) { f.Names = modes }), Set: &profile.Set{}},
		`{compute: a + b, unit: W, decimals: 1, scale: 0.1, class: power, heartbeat: 1m, deadband: 2}`: {
			Compute: "a + b", Unit: "W", Class: "power", Heartbeat: time.Minute, Deadband: profile.Deadband{Absolute: 2},
			Field: register.Field{Bit: -1, Scale: 0.1, Decimals: 1}},
		`{compute: a, enum: {0: "off", 1: heat}}`: {
			Compute: "a", Field: register.Field{Bit: -1, Scale: 1, Decimals: register.Auto, Names: modes}},
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

func TestDescribedReadingProblems(t *testing.T) {
	for text, want := range map[string]string{
		`{input: 7, type: int16, class: Temperature}`:                       "small letters, digits and _",
		`{input: 7, type: int16, title: [a]}`:                               "expected text",
		`{input: 7, type: int16, min_interval: 10}`:                         "add a unit",
		`{input: 7, type: int16, enum: [a]}`:                                "expected a mapping",
		`{input: 7, type: int16, enum: {}}`:                                 "there are no names",
		`{input: 7, type: int16, enum: {a: b}}`:                             "a whole number and its name",
		`{input: 7, type: int16, enum: {1: }}`:                              "expected text",
		`{input: 7, type: int16, enum: {1: ""}}`:                            "the text is empty",
		`{input: 7, type: int16, enum: {1: "a\tb"}}`:                        "no control characters",
		`{input: 7, type: int16, enum: {1: a, 0x1: b}}`:                     "the number 1 is there twice",
		`{input: 7, type: uint16, enum: {-1: a}}`:                           "enum number -1 does not fit into uint16",
		`{input: 7, type: bcd16, enum: {10000: a}}`:                         "enum number 10000 does not fit into bcd16",
		`{input: 7, bits: 0-1, enum: {4: a}}`:                               "enum number 4 does not fit into uint16 of 2 bits",
		`{coil: 7, enum: {2: a}}`:                                           "enum number 2 does not fit into bool",
		`{input: 7, type: float32, enum: {1: a}}`:                           "float32 has no enum",
		`{input: 7, type: time-unix, flags: {1: a}}`:                        "time-unix has no enum",
		`{input: 7, type: int16, scale: 0.1, enum: {1: a}}`:                 "remove scale",
		`{input: 7, type: int16, enum: {1: a}, flags: {1: a}}`:              "either enum or flags",
		`{input: 7, type: int16, flags: {16: a}}`:                           "flag 16: int16 has the bits 0 to 15",
		`{input: 7, type: int16, flags: {1: a, 2: a}}`:                      `the flags 1 and 2 have the same name "a"`,
		`{input: 7, type: int16, count: 2, flags: {1: a}}`:                  "not for bools, BCD and blocks",
		`{input: 7, type: bcd16, flags: {1: a}}`:                            "not for bools, BCD and blocks",
		`{coil: 7, flags: {0: a}}`:                                          "not for bools, BCD and blocks",
		`{input: 7, bits: 4}`:                                               "the first and last bit",
		`{input: 7, bits: 7-4}`:                                             "the first and last bit",
		`{input: 7, bits: 4-16}`:                                            "the first and last bit",
		`{input: 7, bits: [4, 7]}`:                                          "expected text",
		`{input: 7, bits: 4-7, bit: 3}`:                                     "keep one of bit and bits",
		`{input: 7, bits: 4-7, type: uint32}`:                               "type uint16 or int16, not uint32",
		`{input: 7, bits: 4-7, count: 2}`:                                   "cannot be a block",
		`{coil: 7, bits: 4-7}`:                                              "coils hold bools",
		`{input: 7, bits: 4-7, type: uint16, no_data: 16}`:                  "0x10 does not fit into uint16 of 4 bits",
		`{input: 7, type: string}`:                                          "add count, the number of registers of the text",
		`{input: 7, type: string, count: 126}`:                              "more than the 125",
		`{input: 7, type: string, count: 2, scale: 2}`:                      "string has no scale",
		`{input: 7, type: string, count: 2, no_data: 0x10000}`:              "does not fit into string",
		`{input: 7, type: time-bcd, decimals: 2}`:                           "time-bcd has no scale",
		`{input: 7, type: bcd16, no_data: 9999}`:                            "write it with 0x",
		`{input: 7, type: bcd16, no_data: 0x10000}`:                         "0x10000 does not fit into bcd16",
		`{holding: 7, type: int16, set: {max: 5}}`:                          "add min",
		`{holding: 7, type: int16, set: {min: 1, max: 5, step: 0}}`:         "above 0, got 0",
		`{holding: 7, type: int16, set: {min: 1, max: 5, step: -1}}`:        "step",
		`{holding: 7, type: int16, set: {min: 1, max: 5, verify: 1}}`:       "expected true or false",
		`{holding: 7, type: int16, set: {min: 1, max: 5, setp: 1}}`:         "did you mean step?",
		`{holding: 7, type: string, count: 2, set: {min: 1}}`:               "only numbers have min",
		`{holding: 7, type: int16, enum: {1: a}, set: {max: 1}}`:            "only numbers have min",
		`{discrete: 7, set: {}}`:                                            "discrete inputs cannot be written",
		`{compute: a, input: 7}`:                                            "a computed reading has no input",
		`{compute: a, type: int16}`:                                         "a computed reading has no type",
		`{compute: a, set: {min: 1, max: 2}}`:                               "a computed reading has no set",
		`{compute: a, every: 5s}`:                                           "a computed reading has no every",
		`{compute: ""}`:                                                     "the text is empty",
		`{compute: [a]}`:                                                    "expected text",
		`{compute: a, scale: 2, enum: {1: a}}`:                              "remove scale",
		"{coil: 1}\nlimits: {registers: 0}":                                 "from 1 to 125",
		"{coil: 1}\nlimits: {bits: 2001}":                                   "from 1 to 2000",
		"{coil: 1}\nlimits: {gap: 124}":                                     "from 0 to 123",
		"{coil: 1}\nlimits: {max_gap: 1}":                                   "unknown key: known are registers, bits, gap",
		"{coil: 1}\nlimits: 5":                                              "expected a mapping",
		"{compute: a}\nregisters: {r: {}}":                                  "the place is missing",
		"{holding: 1, bits: 4-7}\nregisters: {r: {}}":                       "described whole",
		"{coil: 1}\nregisters: {r: {holding: 5, type: uint16, compute: a}}": "unknown key",
	} {
		_, err := profile.Parse("x.yaml", []byte(small+"  r: "+text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant one problem with %q", text, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]profile.Limits{
		"":                            {Registers: 125, Bits: 2000, Gap: 8},
		"limits: {gap: 0}":            {Registers: 125, Bits: 2000},
		"limits: {registers: 16}":     {Registers: 16, Bits: 2000, Gap: 8},
		"limits: {bits: 8, gap: 123}": {Registers: 125, Bits: 8, Gap: 123},
	} {
		p, err := profile.Parse("x.yaml", []byte(small+"  r: {coil: 1}\n"+text))
		if err != nil || p.Limits != want {
			t.Errorf("%q: %+v, %v; want %+v", text, p.Limits, err, want)
		}
	}
}
