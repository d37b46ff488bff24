package register

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"modferry/modbus"
)

// ErrNoData: the content means that there is no value. Errors that carry it are [*NoDataError].
var ErrNoData = errors.New("the device has no value")

// NoDataError says which content of a field means that there is no value.
type NoDataError struct {
	Type Type
	Raw  uint64
}

func (e *NoDataError) Error() string {
	if e.Type.floating() {
		return fmt.Sprintf("%v: it sends %v", ErrNoData, e.Type.number(e.Raw))
	}
	return fmt.Sprintf("%v: it sends 0x%0*X", ErrNoData, 2*e.Type.size(), e.Raw)
}

// Unwrap returns [ErrNoData].
func (e *NoDataError) Unwrap() error { return ErrNoData }

// Decode returns the value in data: the data bytes of a reply (without its byte
// count) with exactly the field's registers or bits. The field must pass [Field.Check].
//
// A place of a block without data is null. Errors: [ErrNoData] when nothing at all
// has data, otherwise data has the wrong size.
func (f Field) Decode(data []byte) (Value, error) {
	if want := f.DataSize(); len(data) != want {
		return Value{}, fmt.Errorf("%d data bytes where %d %s have %d", len(data), f.Quantity(), f.Table, want)
	}
	if f.inBits() {
		return f.decodeBits(data), nil
	}
	if f.Type == Bool {
		return BoolValue(binary.BigEndian.Uint16(data)>>f.Bit&1 == 1), nil
	}
	l := f.linear()
	if f.count() == 1 {
		return f.decodeNumber(l, data)
	}
	return f.decodeBlock(l, data)
}

func (f Field) decodeBits(data []byte) Value {
	on := modbus.Bits(data, f.count())
	if len(on) == 1 {
		return BoolValue(on[0])
	}
	items := make([]Value, len(on))
	for i := range on {
		items[i] = BoolValue(on[i])
	}
	return List(items)
}

func (f Field) decodeBlock(l linear, data []byte) (Value, error) {
	items := make([]Value, f.count())
	var missing error
	some := false
	for i := range items {
		var err error
		if items[i], err = f.decodeNumber(l, data[i*f.Type.size():]); err != nil {
			missing = err
		} else {
			some = true
		}
	}
	if !some {
		return Value{}, missing
	}
	return List(items), nil
}

func (f Field) decodeNumber(l linear, data []byte) (Value, error) {
	raw := f.Order.get(data, f.Type.size())
	for _, none := range f.NoData {
		if raw == none {
			return Value{}, &NoDataError{f.Type, raw}
		}
	}
	v := f.value(l, raw)
	if v.IsNull() {
		return Value{}, &NoDataError{f.Type, raw}
	}
	return v, nil
}

func (f Field) value(l linear, raw uint64) Value {
	switch {
	case f.Type.floating():
		return l.float(f.Type.number(raw), 8*f.Type.size())
	case f.Type.signed():
		return l.integer(f.Type.extend(raw))
	case raw > math.MaxInt64:
		return l.unsigned(raw)
	}
	return l.integer(int64(raw))
}

// number returns the content of a floating type as a number.
func (t Type) number(raw uint64) float64 {
	if t == Float32 {
		return float64(math.Float32frombits(uint32(raw)))
	}
	return math.Float64frombits(raw)
}

// place returns where in its registers the i-th byte of a value lies, 0 being the most significant.
func (o Order) place(i, size int) int {
	switch o {
	case Little:
		return size - 1 - i
	case BigSwap:
		return i ^ 1
	case LittleSwap:
		return (size - 2 - i&^1) + i&1
	}
	return i
}

func (o Order) get(data []byte, size int) (raw uint64) {
	for i := range size {
		raw = raw<<8 | uint64(data[o.place(i, size)])
	}
	return raw
}

func (o Order) append(dst []byte, raw uint64, size int) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, size)...)
	for i := range size {
		dst[start+o.place(i, size)] = byte(raw >> (8 * (size - 1 - i)))
	}
	return dst
}
