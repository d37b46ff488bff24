package register_test

import (
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

func TestParts(t *testing.T) {
	for _, tt := range []struct {
		field   register.Field
		data    string
		json    string
		and, or uint16
	}{
		{holding(register.Uint16, bits(4, 4)), "ABCD", "12", 0xFF0F, 0x00C0},
		{holding(register.Uint16, bits(0, 16)), "ABCD", "43981", 0, 0xABCD},
		{holding(register.Uint16, bits(12, 4)), "ABCD", "10", 0x0FFF, 0xA000},
		{holding(register.Int16, bits(4, 4)), "ABCD", "-4", 0xFF0F, 0x00C0},
		{holding(register.Int16, bits(4, 3)), "ABCD", "-4", 0xFF8F, 0x0040},
		{holding(register.Uint16, bits(4, 4), scale(0.5), offset(-1)), "ABCD", "5", 0xFF0F, 0x00C0},
		{holding(register.Uint16, bits(0, 2), func(f *register.Field) { f.Names = modes[:3] }), "ABCD", `"heat"`, 0xFFFC, 0x0001},
		{holding(register.Uint16, bits(4, 4), order(register.Little)), "CDAB", "12", 0x0FFF, 0xC000},
		{holding(register.Uint16, bits(4, 4), flagged), "ABCD", `["alarm"]`, 0xFF6F, 0x0080},
		{holding(register.Uint16, flagged), "ABCD", `["pump","alarm"]`, 0xFFF6, 0x0009},
		{holding(register.Uint16, flagged, order(register.BigSwap)), "CDAB", `["pump","alarm"]`, 0xF6FF, 0x0900},
		{holding(register.Bool, func(f *register.Field) { f.Bit = 6 }), "ABCD", "true", 0xFFBF, 0x0040},
		{holding(register.Bool, func(f *register.Field) { f.Bit = 5 }), "ABCD", "false", 0xFFDF, 0},
		{holding(register.Bool, func(f *register.Field) { f.Bit, f.Order = 5, register.Little }), "CDAB", "false", 0xDFFF, 0},
		{holding(register.Bool, func(f *register.Field) { f.Bit, f.Names = 6, modes[:2] }), "ABCD", `"heat"`, 0xFFBF, 0x0040},
	} {
		if err := tt.field.Check(); err != nil || !tt.field.IsPart() {
			t.Errorf("%+v: %v", tt.field, err)
		}
		data := bytesOf(t, tt.data)
		v, err := tt.field.Decode(data)
		if err != nil || string(v.JSON()) != tt.json {
			t.Errorf("%s of %s: %s, %v; want %s", tt.field.Type, tt.data, v.JSON(), err, tt.json)
		}
		given, err := register.Parse([]byte(tt.json))
		if err != nil {
			t.Fatal(err)
		}
		if and, or, err := tt.field.Mask(given); err != nil || and != tt.and || or != tt.or {
			t.Errorf("%s of bits %d, %d: and %04X or %04X, %v; want %04X and %04X", tt.json, tt.field.Bit, tt.field.Width, and, or, err, tt.and, tt.or)
		}
	}
}

func TestMaskOfAWholeRegister(t *testing.T) {
	if and, or, err := holding(register.Int16, scale(0.1)).Mask(register.Number(-20.5)); err != nil || and != 0 || or != 0xFF33 {
		t.Errorf("%X %X %v", and, or, err)
	}
}

func TestNoMask(t *testing.T) {
	for name, f := range map[string]register.Field{
		"two registers": holding(register.Int32),
		"a block":       holding(register.Int16, count(2)),
		"a coil":        {Table: modbus.Coils, Type: register.Bool},
		"a text":        holding(register.String),
	} {
		if and, or, err := f.Mask(register.Number(1)); err == nil {
			t.Errorf("%s: %X %X", name, and, or)
		}
		if f.IsPart() {
			t.Errorf("%s is a part", name)
		}
	}
	for text, f := range map[string]register.Field{
		"16": holding(register.Uint16, bits(4, 4)), "8": holding(register.Int16, bits(4, 4)), "-9": holding(register.Int16, bits(4, 4)),
		"-1": holding(register.Uint16, bits(4, 4)), "2": holding(register.Bool, func(f *register.Field) { f.Bit = 1 }),
	} {
		v, _ := register.Parse([]byte(text))
		if and, or, err := f.Mask(v); err == nil {
			t.Errorf("%s in %d bits: %X %X", text, f.Width, and, or)
		}
	}
}
