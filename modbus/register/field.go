package register

import (
	"fmt"
	"math"

	"modferry/modbus"
)

// Order is the order in which the bytes of a value lie in its registers. A B C D
// are the value's bytes, A the most significant; a register is sent high byte first.
//
//	            16 bits   32 bits   64 bits
//	Big         A B       A B C D   A B C D E F G H
//	Little      B A       D C B A   H G F E D C B A
//	BigSwap     B A       B A D C   B A D C F E H G   (bytes swapped in each register)
//	LittleSwap  A B       C D A B   G H E F C D A B   (low register first)
type Order uint8

// The orders. Big is the protocol's own and the zero value.
const (
	Big Order = iota
	Little
	BigSwap
	LittleSwap
)

var orderNames = [...]string{Big: "big", Little: "little", BigSwap: "big-swap", LittleSwap: "little-swap"}

func (o Order) String() string {
	if int(o) < len(orderNames) {
		return orderNames[o]
	}
	return fmt.Sprintf("Order(%d)", uint8(o))
}

// OrderNames returns the names of all orders.
func OrderNames() []string { return orderNames[:] }

// OrderByName is the inverse of [Order.String].
func OrderByName(name string) (o Order, ok bool) {
	for o, n := range orderNames {
		if n == name {
			return Order(o), true
		}
	}
	return 0, false
}

// Auto as [Field.Decimals] keeps as many decimals as scale and offset have.
const Auto = -1

// MaxDecimals is the greatest [Field.Decimals].
const MaxDecimals = 15

// Field is where a value lies and how it is written there.
type Field struct {
	Table   modbus.Table
	Address uint16
	Type    Type
	Bit     int   // for Bool in a register: its bit, 0 (lowest) to 15; otherwise without meaning, -1 by custom
	Count   int   // 0 or 1: one value; more: a block of that many values, one after the other
	Order   Order // of the bytes in the registers

	Scale  float64 // value = raw x Scale + Offset; 0 means 1
	Offset float64

	// Decimals rounds the value, half away from zero. [Auto] keeps what scale and
	// offset need and prints no zeros at the end; 0 to 15 prints exactly that many.
	Decimals int

	// NoData are the raw contents, as unsigned numbers of the type's width, that
	// mean "no value": 0x8000 for many int16 sensors.
	NoData []uint64

	// Names are what whole numbers mean, in the configuration's order; a number that
	// has none is shown as it is.
	Names []Name

	// Flags are the names of single bits: the value is the list of those that are on.
	Flags []Name

	// Width makes the field the number in Width bits from Bit on; 0 = the whole register.
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
	if f.inBits() || f.Type == Bool {
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
	if f.inBits() {
		return (f.Quantity() + 7) / 8
	}
	return 2 * f.Quantity()
}

// IsNumber reports whether the field's values are numbers, not bools, names or flags.
func (f Field) IsNumber() bool {
	return f.Type > Bool && len(f.Names) == 0 && len(f.Flags) == 0
}

func (f Field) inBits() bool { return f.Table == modbus.Coils || f.Table == modbus.DiscreteInputs }

func (f Field) count() int { return max(f.Count, 1) }

func (f Field) scale() float64 {
	if f.Scale == 0 {
		return 1
	}
	return f.Scale
}

// Check returns nil if the parts of the field go together and one request can read it.
func (f Field) Check() error {
	switch {
	case f.Table < modbus.Coils || f.Table > modbus.InputRegisters:
		return fmt.Errorf("it lies in none of the four tables")
	case f.Type < Bool || f.Type > Float64:
		return fmt.Errorf("it has no type")
	case f.inBits() && f.Type != Bool:
		return fmt.Errorf("%s hold bools, not %s", f.Table, f.Type)
	case !f.inBits() && f.Type == Bool && (f.Bit < 0 || f.Bit > 15):
		return fmt.Errorf("a bool in %s needs the number of its bit, 0 to 15", f.Table)
	case !f.inBits() && f.Type == Bool && f.count() > 1:
		return fmt.Errorf("a bit of a register cannot be a block: read the registers as uint16")
	case int(f.Order) >= len(orderNames):
		return fmt.Errorf("it has no byte order")
	case f.Decimals < Auto || f.Decimals > MaxDecimals:
		return fmt.Errorf("%d decimals: it must be 0 to %d", f.Decimals, MaxDecimals)
	}
	for _, check := range []func() error{f.checkPart, f.checkLinear, f.checkNames, f.checkSpan} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (f Field) checkLinear() error {
	if !finite(f.Scale) || !finite(f.Offset) {
		return fmt.Errorf("scale and offset must be numbers")
	}
	if f.Type == Bool && (f.scale() != 1 || f.Offset != 0) {
		return fmt.Errorf("a bool has no scale and no offset")
	}
	for _, raw := range f.NoData {
		if f.Type == Bool {
			return fmt.Errorf("a bool has no content that means no data")
		}
		if f.bits() < 64 && raw>>f.bits() != 0 {
			return fmt.Errorf("no-data content 0x%X does not fit into %s", raw, f.what())
		}
	}
	return nil
}

// checkPart: some bits of a register are a number of their own.
func (f Field) checkPart() error {
	switch {
	case f.Width == 0:
		return nil
	case f.Type != Uint16 && f.Type != Int16:
		return fmt.Errorf("bits of a register are a number of type uint16 or int16, not %s", f.Type)
	case f.Width < 0 || f.Bit < 0 || f.Bit+f.Width > 16:
		return fmt.Errorf("a register has the bits 0 to 15")
	case f.count() > 1:
		return fmt.Errorf("bits of a register cannot be a block: read the registers as uint16")
	}
	return nil
}

// checkNames: names are for what a whole number of the field can be.
func (f Field) checkNames() error {
	if len(f.Names) == 0 && len(f.Flags) == 0 {
		return nil
	}
	switch {
	case len(f.Names) > 0 && len(f.Flags) > 0:
		return fmt.Errorf("a number has either enum or flags: remove one")
	case f.Type.floating():
		return fmt.Errorf("%s has no enum and no flags: they are for whole numbers", f.Type)
	case f.scale() != 1 || f.Offset != 0 || f.Decimals > 0:
		return fmt.Errorf("names are for numbers as they are: remove scale, offset and decimals")
	case len(f.Flags) > 0 && (f.Type == Bool || f.count() > 1):
		return fmt.Errorf("flags are for one number, not for bools and blocks")
	}
	for _, n := range f.Names {
		if !f.holds(n.Number) {
			return fmt.Errorf("enum number %d does not fit into %s", n.Number, f.what())
		}
	}
	for _, n := range f.Flags {
		if n.Number < 0 || n.Number >= int64(f.bits()) {
			return fmt.Errorf("flag %d: %s has the bits 0 to %d", n.Number, f.what(), f.bits()-1)
		}
	}
	return nil
}

// bits returns the width of a number.
func (f Field) bits() int {
	if f.Width > 0 {
		return f.Width
	}
	return 8 * f.Type.size()
}

// what names what holds a number.
func (f Field) what() string {
	if f.Width > 0 {
		return fmt.Sprintf("%s of %d bits", f.Type, f.Width)
	}
	return f.Type.String()
}

// holds reports whether a whole number fits.
func (f Field) holds(n int64) bool {
	switch {
	case f.Type == Bool:
		return n == 0 || n == 1
	case f.Type == Uint64:
		return true // the same bits, see Name
	case f.Type.signed():
		return n >= -1<<(f.bits()-1) && n <= 1<<(f.bits()-1)-1
	}
	return n >= 0 && n>>f.bits() == 0
}

func (f Field) checkSpan() error {
	most := modbus.MaxReadRegisters
	if f.inBits() {
		most = modbus.MaxReadBits
	}
	if f.Count < 0 || f.Count > most || f.Quantity() > most {
		return fmt.Errorf("it takes more than the %d %s that one request can read", most, f.Table)
	}
	if f.Span().End() > modbus.AddressSpace {
		return fmt.Errorf("it ends at address %d, beyond 65535", f.Span().End()-1)
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
