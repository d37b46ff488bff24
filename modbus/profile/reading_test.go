package profile_test

import (
	"reflect"
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
