package register_test

import (
	"math"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

// blocks are 125 registers as one value.
var blocks = map[string]register.Field{
	"uint16":         block(register.Uint16, 125),
	"uint16/scaled":  block(register.Uint16, 125, scale(0.1)),
	"int16":          block(register.Int16, 125),
	"int16/scaled":   block(register.Int16, 125, scale(0.1)),
	"int16/offset":   block(register.Int16, 125, scale(0.5), offset(-40)),
	"float32":        block(register.Float32, 62),
	"float32/scaled": block(register.Float32, 62, scale(0.1)),
	"int16/no_data":  block(register.Int16, 125, none(0x8000)),
}

func block(kind register.Type, n int, change ...func(*register.Field)) register.Field {
	return holding(kind, append(change, count(n))...)
}

// samples are the registers of a block with values as sensors have them.
func samples(f register.Field) []byte {
	data := make([]byte, 0, f.DataSize())
	for i := range f.DataSize() {
		if f.Type == register.Float32 && i%4 == 0 {
			bits := math.Float32bits(float32(20 + float64(i)/7))
			data = modbus.AppendRegisters(data, uint16(bits>>16), uint16(bits))
		} else if f.Type != register.Float32 && i%2 == 0 {
			data = modbus.AppendRegisters(data, uint16(i*331))
		}
	}
	return data
}

func BenchmarkBlock(b *testing.B) {
	for name, f := range blocks {
		data, out, d := samples(f), make([]byte, 0, 4096), f.Decoder()
		b.Run(name+"/json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, _ = d.AppendJSON(out[:0], data)
			}
		})
		b.Run(name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A block goes from registers to JSON without a word of memory.
func TestBlocksToJSONTakeNoMemory(t *testing.T) {
	for name, f := range blocks {
		data, out, d := samples(f), make([]byte, 0, 4096), f.Decoder()
		if n := testing.AllocsPerRun(20, func() { out, _ = d.AppendJSON(out[:0], data) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if len(out) < 2*f.Count {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// One value, as most readings are.
func BenchmarkOne(b *testing.B) {
	for name, f := range map[string]register.Field{
		"int16/scaled": holding(register.Int16, scale(0.1), none(0x8000)), "uint16": holding(register.Uint16),
		"float32": holding(register.Float32), "int16/0.5": holding(register.Int16, scale(0.5)),
	} {
		data, d := samples(block(f.Type, 4))[2:2+f.DataSize()], f.Decoder()
		b.Run(name+"/field", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/decoder", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
