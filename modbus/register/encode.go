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
	return fmt.Sprintf("%s does not fit into %s at scale %v", e.Value, e.Field.Type, e.Field.scale())
}

// AppendData appends the registers or bits that hold v, as they stand in a request
// or reply, and is the inverse of [Field.Decode]. A number between two contents is
// rounded to the nearer one; null is written as the first no-data content. The
// field must pass [Field.Check].
//
// Errors: [*RangeError], or v is not of the field's kind. A bit of a register
// cannot be written alone (function 22 does that), so it is an error, too.
func (f Field) AppendData(dst []byte, v Value) ([]byte, error) {
	if f.Type == Bool && !f.inBits() {
		return dst, fmt.Errorf("bit %d shares register %d with others: it can only be changed by a mask write", f.Bit, f.Address)
	}
	items := []Value{v}
	if f.count() > 1 {
		if items = v.items; len(items) != f.count() {
			return dst, fmt.Errorf("%d values where the block has %d", len(items), f.count())
		}
	}
	if f.inBits() {
		return f.appendBits(dst, items)
	}
	l := f.linear()
	for _, item := range items {
		raw, err := f.encode(l, item)
		if err != nil {
			return dst, err
		}
		dst = f.Order.append(dst, raw, f.Type.size())
	}
	return dst, nil
}

func (f Field) appendBits(dst []byte, items []Value) ([]byte, error) {
	bits := make([]bool, len(items))
	for i, item := range items {
		on, ok := item.Bool()
		if n := item.Float(); !ok && n != 0 && n != 1 {
			return dst, fmt.Errorf("%q where %s need true or false", item.String(), f.Table)
		} else if !ok {
			on = n == 1
		}
		bits[i] = on
	}
	return modbus.AppendBits(dst, bits), nil
}

func (f Field) encode(l linear, v Value) (raw uint64, err error) {
	switch {
	case v.IsNull() && len(f.NoData) > 0:
		return f.NoData[0], nil
	case !v.IsNumber():
		return 0, fmt.Errorf("%q where %s needs a number", v.String(), f.Type)
	case f.Type.floating():
		return f.encodeFloat(l, v)
	case f.Type == Uint64 && v.kind == unsigned && l.scale == 1 && l.offset == 0:
		return v.bits, nil
	}
	n, ok := l.raw(v)
	if ok && (n >= 0 || f.Type.signed()) {
		if raw, ok = f.Type.Raw(n); ok && (!f.Type.signed() || f.Type.extend(raw) == n) {
			return raw, nil
		}
	}
	return 0, &RangeError{v, f}
}

func (f Field) encodeFloat(l linear, v Value) (uint64, error) {
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
	return 0, &RangeError{v, f}
}
