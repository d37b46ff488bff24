package register_test

import (
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every type in every order, with the bytes written out: each value is one whose
// bytes all differ, so that no two orders can be taken for each other.
var layouts = []struct {
	kind                            register.Type
	value                           string
	big, little, bigSwap, littleLow string
}{
	{register.Int16, "-32767", "8001", "0180", "0180", "8001"},
	{register.Uint16, "258", "0102", "0201", "0201", "0102"},
	{register.Int32, "-2147352316", "80020104", "04010280", "02800401", "01048002"},
	{register.Uint32, "16909060", "01020304", "04030201", "02010403", "03040102"},
	{register.Int64, "-9222804662967270648", "8002040607050308", "0803050706040280", "0280060405070803", "0308070504068002"},
	{register.Uint64, "72623859790382856", "0102030405060708", "0807060504030201", "0201040306050807", "0708050603040102"},
	{register.Uint64, "18446744073709551615", "FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF"},
	{register.Float32, "12.375", "41460000", "00004641", "46410000", "00004146"},
	{register.Float32, "0.1", "3DCCCCCD", "CDCCCC3D", "CC3DCDCC", "CCCD3DCC"},
	{register.Float64, "-0.1", "BFB999999999999A", "9A9999999999B9BF", "B9BF999999999A99", "999A99999999BFB9"},
}

func TestEveryTypeInEveryOrder(t *testing.T) {
	for _, l := range layouts {
		for order, wire := range map[register.Order]string{
			register.Big: l.big, register.Little: l.little, register.BigSwap: l.bigSwap, register.LittleSwap: l.littleLow,
		} {
			f := register.Field{Table: modbus.HoldingRegisters, Type: l.kind, Order: order, Decimals: register.Auto}
			v, err := f.Decode(bytesOf(t, wire))
			if err != nil || v.String() != l.value {
				t.Errorf("%s %s %s: %q, %v; want %s", l.kind, order, wire, v, err, l.value)
			}
			back, err := f.AppendData(nil, v)
			if err != nil || !strings.EqualFold(hex.EncodeToString(back), wire) {
				t.Errorf("%s %s %s: written as %X, %v; want %s", l.kind, order, l.value, back, err, wire)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	const holding, coils = modbus.HoldingRegisters, modbus.Coils
	none := []uint64{0x8000}
	tests := []struct {
		name  string
		field register.Field
		data  string
		want  string
	}{
		{"scaled without noise", register.Field{Table: holding, Type: register.Int16, Scale: 0.1, Decimals: -1}, "0131", "30.5"},
		{"below zero", register.Field{Table: holding, Type: register.Int16, Scale: 0.1, Decimals: -1}, "FF33", "-20.5"},
		{"between zero and minus one", register.Field{Table: holding, Type: register.Int16, Scale: 0.01, Decimals: -1}, "FFFB", "-0.05"},
		{"no zeros at the end", register.Field{Table: holding, Type: register.Int16, Scale: 0.1, Decimals: -1}, "012C", "30"},
		{"as many decimals as asked", register.Field{Table: holding, Type: register.Int16, Scale: 0.1, Decimals: 2}, "012C", "30.00"},
		{"rounded away from zero", register.Field{Table: holding, Type: register.Int16, Scale: 0.1, Decimals: 0}, "FF33", "-21"},
		{"offset", register.Field{Table: holding, Type: register.Uint16, Scale: 0.5, Offset: -40.25, Decimals: -1}, "0003", "-38.75"},
		{"scale above one", register.Field{Table: holding, Type: register.Uint16, Scale: 1000, Decimals: -1}, "FFFF", "65535000"},
		{"scale without short decimals", register.Field{Table: holding, Type: register.Uint16, Scale: 1.0 / 3, Decimals: 3}, "000A", "3.333"},
		{"unsigned", register.Field{Table: holding, Type: register.Uint16, Decimals: -1}, "8000", "32768"},
		{"great unsigned, scaled", register.Field{Table: holding, Type: register.Uint64, Scale: 0.5, Decimals: -1}, "8000000000000002", "4611686018427390000"},
		{"float32 keeps its short form", register.Field{Table: holding, Type: register.Float32, Decimals: -1}, "41BB3333", "23.4"},
		{"float32 with decimals", register.Field{Table: holding, Type: register.Float32, Decimals: 2}, "41BB3333", "23.40"},
		{"float32 scaled", register.Field{Table: holding, Type: register.Float32, Scale: 0.1, Decimals: -1}, "41BB3333", "2.34"},
		{"float32 in kelvin", register.Field{Table: holding, Type: register.Float32, Offset: -273.15, Decimals: -1}, "4388947B", "0.01"},
		{"tiny float", register.Field{Table: holding, Type: register.Float64, Decimals: -1}, "3DDB7CDFD9D7BDBB", "1e-10"},
		{"bit of a register", register.Field{Table: holding, Type: register.Bool, Bit: 9}, "0200", "true"},
		{"another bit of it", register.Field{Table: holding, Type: register.Bool, Bit: 8}, "0200", "false"},
		{"coil", register.Field{Table: coils, Type: register.Bool, Bit: -1}, "01", "true"},
		{"block of coils", register.Field{Table: coils, Type: register.Bool, Bit: -1, Count: 10}, "0502", "[true,false,true,false,false,false,false,false,false,true]"},
		{"block", register.Field{Table: holding, Type: register.Int16, Count: 3, Scale: 0.1, Decimals: -1}, "0001 FFFF 0064", "[0.1,-0.1,10]"},
		{"block of wide values, low register first", register.Field{Table: holding, Type: register.Uint32, Order: register.LittleSwap, Count: 2, Decimals: -1}, "0001 0000 0000 0001", "[1,65536]"},
		{"block with a gap", register.Field{Table: holding, Type: register.Int16, Count: 2, NoData: none, Decimals: -1}, "8000 0007", "[null,7]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.field.Check(); err != nil {
				t.Fatal(err)
			}
			v, err := tt.field.Decode(bytesOf(t, tt.data))
			if err != nil || string(v.AppendJSON(nil)) != tt.want {
				t.Errorf("%s, %v; want %s", v.AppendJSON(nil), err, tt.want)
			}
		})
	}
}

func TestNoDataIsNeverAValue(t *testing.T) {
	field := func(kind register.Type, none ...uint64) register.Field {
		return register.Field{Table: modbus.InputRegisters, Type: kind, NoData: none, Decimals: -1}
	}
	block := field(register.Int16, 0x8000, 0x7FFF)
	block.Count = 2
	tests := []struct {
		field     register.Field
		data, say string
	}{
		{field(register.Int16, 0x8000), "8000", "0x8000"},
		{field(register.Uint32, 0xFFFFFFFF), "FFFFFFFF", "0xFFFFFFFF"},
		{field(register.Float32), "7FC00000", "NaN"},
		{field(register.Float64), "7FF0000000000000", "+Inf"},
		{field(register.Float32, uint64(math.Float32bits(-9999))), "C61C3C00", "-9999"},
		{block, "7FFF8000", "0x8000"},
	}
	for _, tt := range tests {
		v, err := tt.field.Decode(bytesOf(t, tt.data))
		if !errors.Is(err, register.ErrNoData) || !strings.Contains(err.Error(), tt.say) || !v.IsNull() {
			t.Errorf("%s %s: %v, %v; want ErrNoData naming %s", tt.field.Type, tt.data, v, err, tt.say)
		}
	}
}

func TestDecodeRefusesAnotherSize(t *testing.T) {
	f := register.Field{Table: modbus.HoldingRegisters, Type: register.Int32}
	for _, data := range []string{"", "0001", "000100", "000100020003"} {
		if _, err := f.Decode(bytesOf(t, data)); err == nil || errors.Is(err, register.ErrNoData) {
			t.Errorf("%q: error %v", data, err)
		}
	}
}
