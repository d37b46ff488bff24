package register

import (
	"fmt"

	"modferry/modbus"
)

// Check returns nil if the parts of the field go together and one request can read it.
func (f Field) Check() error {
	switch {
	case f.Table < modbus.Coils || f.Table > modbus.InputRegisters:
		return fmt.Errorf("it lies in none of the four tables")
	case !f.Type.known():
		return fmt.Errorf("it has no type")
	case f.Table.IsBits() && f.Type != Bool:
		return fmt.Errorf("%s hold bools, not %s", f.Table, f.Type)
	case !f.Table.IsBits() && f.Type == Bool && (f.Bit < 0 || f.Bit > 15):
		return fmt.Errorf("a bool in %s needs the number of its bit, 0 to 15", f.Table)
	case !f.Table.IsBits() && f.Type == Bool && f.count() > 1:
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

func (f *Field) checkLinear() error {
	if !finite(f.Scale) || !finite(f.Offset) {
		return fmt.Errorf("scale and offset must be numbers")
	}
	if f.Type == Bool && (f.scale() != 1 || f.Offset != 0) {
		return fmt.Errorf("a bool has no scale and no offset")
	}
	if (f.Type == String || f.Type.IsTime()) && (f.scale() != 1 || f.Offset != 0 || f.Decimals > 0) {
		return fmt.Errorf("%s has no scale, offset and decimals", f.Type)
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
func (f *Field) checkPart() error {
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
func (f *Field) checkNames() error {
	if len(f.Names) == 0 && len(f.Flags) == 0 {
		return nil
	}
	switch {
	case len(f.Names) > 0 && len(f.Flags) > 0:
		return fmt.Errorf("a number has either enum or flags: remove one")
	case f.Type != Bool && f.Type.form() != integer && !f.Type.IsBCD():
		return fmt.Errorf("%s has no enum and no flags: they are for whole numbers", f.Type)
	case f.scale() != 1 || f.Offset != 0 || f.Decimals > 0:
		return fmt.Errorf("names are for numbers as they are: remove scale, offset and decimals")
	case len(f.Flags) > 0 && (f.Type.form() != integer || f.count() > 1):
		return fmt.Errorf("flags are for one whole number, not for bools, BCD and blocks")
	}
	for _, n := range f.Names {
		if !f.holds(n.Number) {
			return fmt.Errorf("enum number %d does not fit into %s", n.Number, f.what())
		}
	}
	return f.checkFlags()
}

func (f *Field) checkFlags() error {
	for i, n := range f.Flags {
		if n.Number < 0 || n.Number >= int64(f.bits()) {
			return fmt.Errorf("flag %d: %s has the bits 0 to %d", n.Number, f.what(), f.bits()-1)
		}
		for _, other := range f.Flags[:i] {
			if other.Name == n.Name {
				return fmt.Errorf("the flags %d and %d have the same name %q", other.Number, n.Number, n.Name)
			}
		}
	}
	return nil
}

// bits returns the width of a raw content.
func (f *Field) bits() int {
	if f.Width > 0 {
		return f.Width
	}
	return f.Type.width()
}

// what names what holds a number.
func (f *Field) what() string {
	if f.Width > 0 {
		return fmt.Sprintf("%s of %d bits", f.Type, f.Width)
	}
	return f.Type.String()
}

// holds reports whether a whole number fits.
func (f *Field) holds(n int64) bool {
	switch {
	case f.Type == Bool:
		return n == 0 || n == 1
	case f.Type == Uint64:
		return true // the same bits, see Name
	case f.Type.IsBCD():
		return n >= 0 && n <= mostBCD(f.Type.size())
	case f.Type.signed():
		return n >= -1<<(f.bits()-1) && n <= 1<<(f.bits()-1)-1
	}
	return n >= 0 && n>>f.bits() == 0
}

func (f *Field) checkSpan() error {
	most := modbus.MaxReadRegisters
	if f.Table.IsBits() {
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
