package register

import (
	"math"

	"modferry/modbus"
)

// Auto as [Field.Decimals] keeps as many decimals as scale and offset have.
const Auto = -1

// MaxDecimals is the greatest [Field.Decimals].
const MaxDecimals = 15

// Field is where a value lies and how it is written there.
type Field struct {
	Table   modbus.Table
	Address uint16
	Type    Type
	Bit     int   // for Bool in a register, and with Width: the (lowest) bit, 0 to 15; otherwise without meaning, -1 by custom
	Count   int   // 0 or 1: one value; more: a block of that many values, one after the other. Of a String: its registers
	Order   Order // of the bytes in the registers

	Scale  float64 // value = raw x Scale + Offset; 0 means 1
	Offset float64

	// Decimals rounds the value, half away from zero. [Auto] keeps what scale and
	// offset need and prints no zeros at the end; 0 to 15 prints exactly that many.
	Decimals int

	// NoData are the raw contents, as unsigned numbers of the type's width, that
	// mean "no value": 0x8000 for many int16 sensors. For types that are no single
	// number (String, TimeRegisters, TimeBytes, TimeBCD) it is what each register holds.
	NoData []uint64

	// Names are what whole numbers mean, in the configuration's order; a number that
	// has none is shown as it is.
	Names []Name

	// Flags are the names of single bits: the value is the list of those that are on.
	Flags []Name

	// Width makes the field the number in Width bits from Bit on, of an Uint16 or Int16
	// (then its highest bit is the sign); 0 = the whole register.
	Width int
}

// Name is the name of a number, or of the bit with that number. A uint64 above the
// int64 range is the int64 of the same bits.
type Name struct {
	Number int64
	Name   string
}

// Quantity returns how many registers (or bits, for coils and discrete inputs) the field takes.
func (f Field) Quantity() int {
	if f.Table.IsBits() || f.Type == Bool {
		return f.count()
	}
	return f.count() * f.Type.size() / 2
}

// Span returns what reading the field touches.
func (f Field) Span() modbus.Span {
	return modbus.Span{Table: f.Table, Address: f.Address, Quantity: f.Quantity()}
}

// DataSize returns the number of data bytes of a reply with exactly the field's registers or bits.
func (f Field) DataSize() int {
	if f.Table.IsBits() {
		return (f.Quantity() + 7) / 8
	}
	return 2 * f.Quantity()
}

// IsNumber reports whether the field's values are numbers, not bools, names or flags.
func (f Field) IsNumber() bool {
	return f.Type.IsNumber() && len(f.Names) == 0 && len(f.Flags) == 0
}

// IsBlock reports whether the field has several values, one after the other.
func (f Field) IsBlock() bool { return f.values() > 1 }

// IsPart reports whether the field is a part of a register that has other bits, too:
// writing it alone takes a mask, see [Field.Mask].
func (f Field) IsPart() bool {
	return !f.Table.IsBits() && (f.Type == Bool || f.Width > 0 || len(f.Flags) > 0 && f.Type.size() == 2)
}

func (f *Field) count() int { return max(f.Count, 1) }

// values returns how many values the field has.
func (f *Field) values() int {
	if f.Type == String {
		return 1
	}
	return f.count()
}

// size returns the bytes of one value.
func (f *Field) size() int {
	if f.Type == String {
		return 2 * f.count()
	}
	return f.Type.size()
}

func (f *Field) scale() float64 {
	if f.Scale == 0 {
		return 1
	}
	return f.Scale
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
