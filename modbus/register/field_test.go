package register_test

import (
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

func TestCheck(t *testing.T) {
	holding := func(change func(*register.Field)) register.Field {
		f := register.Field{Table: modbus.HoldingRegisters, Type: register.Int16, Bit: -1, Decimals: -1}
		change(&f)
		return f
	}
	tests := map[string]struct {
		field register.Field
		want  string
	}{
		"good":            {holding(func(*register.Field) {}), ""},
		"last register":   {holding(func(f *register.Field) { f.Address = 65535 }), ""},
		"largest block":   {holding(func(f *register.Field) { f.Count = 125 }), ""},
		"no table":        {register.Field{Type: register.Int16}, "it lies in none of the four tables"},
		"no type":         {register.Field{Table: modbus.Coils}, "it has no type"},
		"number in coils": {register.Field{Table: modbus.Coils, Type: register.Int16}, "coils hold bools, not int16"},
		"bool without bit": {holding(func(f *register.Field) { f.Type = register.Bool }),
			"a bool in holding registers needs the number of its bit, 0 to 15"},
		"block of bits of registers": {holding(func(f *register.Field) { f.Type, f.Bit, f.Count = register.Bool, 3, 2 }),
			"a bit of a register cannot be a block: read the registers as uint16"},
		"too many registers": {holding(func(f *register.Field) { f.Type, f.Count = register.Float64, 32 }),
			"it takes more than the 125 holding registers that one request can read"},
		"too many bits": {register.Field{Table: modbus.Coils, Type: register.Bool, Count: 2001},
			"it takes more than the 2000 coils that one request can read"},
		"beyond the end": {holding(func(f *register.Field) { f.Type, f.Address = register.Int32, 65535 }),
			"it ends at address 65536, beyond 65535"},
		"decimals":    {holding(func(f *register.Field) { f.Decimals = 16 }), "16 decimals: it must be 0 to 15"},
		"wide nodata": {holding(func(f *register.Field) { f.NoData = []uint64{0x18000} }), "no-data content 0x18000 does not fit into int16"},
		"scaled bool": {register.Field{Table: modbus.Coils, Type: register.Bool, Scale: 2}, "a bool has no scale and no offset"},
	}
	for name, tt := range tests {
		got := ""
		if err := tt.field.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestQuantity(t *testing.T) {
	for _, tt := range []struct {
		field          register.Field
		quantity, size int
	}{
		{register.Field{Table: modbus.Coils, Type: register.Bool}, 1, 1},
		{register.Field{Table: modbus.DiscreteInputs, Type: register.Bool, Count: 17}, 17, 3},
		{register.Field{Table: modbus.HoldingRegisters, Type: register.Bool, Bit: 3}, 1, 2},
		{register.Field{Table: modbus.InputRegisters, Type: register.Uint16, Count: 4}, 4, 8},
		{register.Field{Table: modbus.InputRegisters, Type: register.Float32, Count: 1}, 2, 4},
		{register.Field{Table: modbus.InputRegisters, Type: register.Int64, Count: 3}, 12, 24},
	} {
		if q, n := tt.field.Quantity(), tt.field.DataSize(); q != tt.quantity || n != tt.size {
			t.Errorf("%+v: quantity %d in %d bytes, want %d in %d", tt.field, q, n, tt.quantity, tt.size)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range register.TypeNames() {
		if k, ok := register.TypeByName(name); !ok || k.String() != name {
			t.Errorf("type %q is %v, %v", name, k, ok)
		}
	}
	for _, name := range register.OrderNames() {
		if o, ok := register.OrderByName(name); !ok || o.String() != name {
			t.Errorf("order %q is %v, %v", name, o, ok)
		}
	}
	if _, ok := register.TypeByName(""); ok {
		t.Error("the empty name is a type")
	}
}
