package register

import (
	"fmt"
	"math"

	"modferry/modbus"
)

// RangeError: a value that the field cannot hold.
type RangeError struct {
	Value Value
	Field Field
}

func (e *RangeError) Error() string {
	switch f := e.Field; {
	case f.Type == String:
		return fmt.Sprintf("%s does not fit into the %d bytes of %d registers", e.Value.JSON(), f.size(), f.count())
	case f.Type.IsNumber() && f.Width == 0:
		return fmt.Sprintf("%s does not fit into %s at scale %v", e.Value, f.Type, f.scale())
	default:
		return fmt.Sprintf("%s does not fit into %s", e.Value, f.what())
	}
}

// AppendData appends the registers or bits that hold v, as they stand in a request
// or reply, and is the inverse of [Field.Decode]. A number between two contents is
// rounded to the nearer one; a time loses what the type does not have; null is
// written as the first no-data content. A name stands for its number, which may be
// given, too; flags are the list of those that are on, all other bits are off. The
// field must pass [Field.Check].
//
// Errors: [*RangeError], or v is not of the field's kind. A part of a register
// cannot be written alone, so it is an error, too; see [Field.Mask].
func (f Field) AppendData(dst []byte, v Value) ([]byte, error) {
	if !f.Table.IsBits() && (f.Type == Bool || f.Width > 0) {
		return dst, fmt.Errorf("bit %d shares register %d with others: it can only be changed by a mask write", f.Bit, f.Address)
	}
	items := []Value{v}
	if f.IsBlock() {
		if items = v.Items(); len(items) != f.values() {
			return dst, fmt.Errorf("%d values where the block has %d", len(items), f.values())
		}
	}
	if f.Table.IsBits() {
		return f.appendBits(dst, items)
	}
	start, l := len(dst), f.linear()
	for _, item := range items {
		var err error
		if dst, err = f.appendOne(dst, &l, item); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}

func (f *Field) appendOne(dst []byte, l *linear, v Value) ([]byte, error) {
	if f.Type.isWide() {
		return f.appendWide(dst, v)
	}
	raw, err := f.encode(l, v)
	if err != nil {
		return dst, err
	}
	return f.Order.append(dst, raw, f.Type.size()), nil
}

func (f *Field) appendBits(dst []byte, items []Value) ([]byte, error) {
	bits := make([]bool, len(items))
	for i, item := range items {
		on, err := f.bool(item)
		if err != nil {
			return dst, err
		}
		bits[i] = on
	}
	return modbus.AppendBits(dst, bits), nil
}

// bool takes 0 and 1 as well.
func (f *Field) bool(v Value) (bool, error) {
	v, err := f.number(v)
	if err != nil {
		return false, err
	}
	on, ok := v.Bool()
	if n := v.Float(); !ok && n != 0 && n != 1 {
		return false, fmt.Errorf("%s where %s need true or false", v.JSON(), f.Table)
	} else if !ok {
		on = n == 1
	}
	return on, nil
}

// encode returns the content of a value that is one number.
func (f *Field) encode(l *linear, v Value) (raw uint64, err error) {
	switch {
	case v.IsNull() && len(f.NoData) > 0:
		return f.NoData[0], nil
	case len(f.Flags) > 0:
		return f.bitsOf(v)
	case f.Type == Bool:
		on, err := f.bool(v)
		return btoi(on), err
	case f.Type.form() == instant:
		return f.encodeTime(v)
	}
	if v, err = f.number(v); err != nil {
		return 0, err
	}
	switch {
	case !v.IsNumber():
		return 0, fmt.Errorf("%s where %s needs a number", v.JSON(), f.Type)
	case f.Type.IsFloat():
		return f.encodeFloat(l, v)
	case f.Type == Uint64 && v.kind == unsigned && l.scale == 1 && l.offset == 0:
		return v.bits, nil
	}
	return f.encodeInteger(l, v)
}

func (f *Field) encodeInteger(l *linear, v Value) (uint64, error) {
	n, ok := l.raw(v)
	switch {
	case !ok || n < 0 && !f.Type.signed() || !f.holds(n):
		return 0, &RangeError{v, *f}
	case f.Type.IsBCD():
		return toBCD(n), nil
	}
	return uint64(n) & (math.MaxUint64 >> (64 - f.bits())), nil
}

func (f *Field) encodeFloat(l *linear, v Value) (uint64, error) {
	n := v.Float()
	if l.scale != 1 || l.offset != 0 {
		n = (n - l.offset) / l.scale
	}
	if f.Type == Float64 && finite(n) {
		return math.Float64bits(n), nil
	}
	if single := float32(n); f.Type == Float32 && finite(float64(single)) {
		return uint64(math.Float32bits(single)), nil
	}
	return 0, &RangeError{v, *f}
}

func (f *Field) encodeTime(v Value) (uint64, error) {
	at, err := f.time(v)
	if err != nil {
		return 0, err
	}
	n, most := at.Unix(), int64(math.MaxUint32)
	if f.Type == TimeUnixMS {
		n, most = at.UnixMilli(), lastMilli
	}
	if n < 0 || n > most {
		return 0, &RangeError{v, *f}
	}
	return uint64(n), nil
}

// Mask returns what function 22 needs to write v into the field's part of its
// register: the device keeps the bits of and, and takes those of or where and has
// none, (content AND and) OR (or AND NOT and) [Application Protocol V1.1b3, 6.16]. Bits that
// are not the field's stay as they are; of flags these are the ones without a name.
//
// Errors: as of [Field.AppendData], or the field is not one register or a part of one.
func (f Field) Mask(v Value) (and, or uint16, err error) {
	if f.Table.IsBits() || f.Quantity() != 1 || f.Type == String {
		return 0, 0, fmt.Errorf("%d %s are no part of one register: they are written whole", f.Quantity(), f.Table)
	}
	l := f.linear()
	raw, err := f.encode(&l, v)
	if err != nil {
		return 0, 0, err
	}
	own := uint64(math.MaxUint16)
	switch {
	case f.Type == Bool:
		raw, own = raw<<f.Bit, 1<<f.Bit
	case f.Width > 0:
		raw, own = raw<<f.Bit, (1<<f.Width-1)<<f.Bit
	}
	if len(f.Flags) > 0 {
		own = f.flagBits() << max(f.Bit*min(f.Width, 1), 0)
	}
	return ^uint16(f.Order.swap(own, 2)), uint16(f.Order.swap(raw, 2)), nil
}

// flagBits returns the bits that have names.
func (f *Field) flagBits() (all uint64) {
	for _, n := range f.Flags {
		all |= 1 << n.Number
	}
	return all
}

func btoi(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}
