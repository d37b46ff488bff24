package register

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"modferry/modbus"
)

// ErrNoData: the content means that there is no value. Errors that carry it are [*NoDataError].
var ErrNoData = errors.New("the device has no value")

// NoDataError says which content of a field means that there is no value.
type NoDataError struct {
	Type Type
	Raw  uint64 // of types that are no single number: the first register
	Sent string // the content in words, "" where Raw says it all
}

func (e *NoDataError) Error() string {
	switch {
	case e.Sent != "":
		return fmt.Sprintf("%v: it sends %s", ErrNoData, e.Sent)
	case e.Type.IsFloat():
		return fmt.Sprintf("%v: it sends %v", ErrNoData, e.Type.number(e.Raw))
	}
	return fmt.Sprintf("%v: it sends 0x%0*X", ErrNoData, e.Type.width()/4, e.Raw)
}

// Unwrap returns [ErrNoData].
func (e *NoDataError) Unwrap() error { return ErrNoData }

// Decode returns the value in data: the data bytes of a reply (without its byte
// count) with exactly the field's registers or bits. The field must pass [Field.Check].
// To decode a field more than once, keep its [Decoder].
//
// A place of a block without data is null. Errors: [ErrNoData] when nothing at all
// has data, otherwise data has the wrong size.
func (f Field) Decode(data []byte) (Value, error) {
	d := f.decoder()
	return d.Decode(data)
}

// Decoder decodes one field many times. It may be used by several goroutines.
type Decoder struct {
	field  Field
	linear linear
	size   int  // bytes of one value
	whole  int  // bytes of the field
	direct bool // integers that are decimal numbers, without names: see appendDirect
	same   bool // if direct: the number is shown as it was sent
}

// Decoder returns a decoder of the field, which must pass [Field.Check].
func (f Field) Decoder() *Decoder {
	d := f.decoder()
	return &d
}

func (f *Field) decoder() Decoder {
	d := Decoder{field: *f, linear: f.linear(), size: f.size(), whole: f.DataSize()}
	d.direct = f.Type.form() == integer && d.linear.exact && len(f.Names)+len(f.Flags)+f.Width == 0
	d.same = d.direct && d.linear == linear{scale: 1, keep: f.Decimals, exact: true, factor: 1} && f.Decimals <= 0
	return d
}

// Decode is [Field.Decode].
func (d *Decoder) Decode(data []byte) (Value, error) {
	if err := d.check(data); err != nil {
		return Value{}, err
	}
	if d.field.Table.IsBits() {
		return d.decodeBits(data), nil
	}
	n := d.field.values()
	if n == 1 {
		v := d.one(data)
		if v.IsNull() {
			return Value{}, d.noData(data)
		}
		return v, nil
	}
	items := make([]Value, n)
	for i := range items {
		items[i] = d.one(data[i*d.size:])
	}
	if !slices.ContainsFunc(items, func(v Value) bool { return !v.IsNull() }) {
		return Value{}, d.noData(data)
	}
	return List(items), nil
}

// AppendJSON appends what [Value.AppendJSON] appends of the decoded value, but makes
// no values on the way. Errors are those of Decode; then dst is as it was.
func (d *Decoder) AppendJSON(dst, data []byte) ([]byte, error) {
	n := d.field.values()
	if n == 1 && d.direct && len(data) == d.whole {
		if text, ok := d.appendDirect(dst, data); ok {
			return text, nil
		}
	}
	if n == 1 || d.field.Table.IsBits() {
		v, err := d.Decode(data)
		if err != nil {
			return dst, err
		}
		return v.AppendJSON(dst), nil
	}
	if err := d.check(data); err != nil {
		return dst, err
	}
	start, some := len(dst), false
	dst = append(dst, '[')
	for at := 0; at < d.whole; at += d.size {
		if at > 0 {
			dst = append(dst, ',')
		}
		if d.direct {
			if text, ok := d.appendDirect(dst, data[at:]); ok {
				dst, some = text, true
				continue
			}
		}
		v := d.one(data[at:])
		some = some || !v.IsNull()
		dst = v.AppendJSON(dst)
	}
	if !some {
		return dst[:start], d.noData(data)
	}
	return append(dst, ']'), nil
}

func (d *Decoder) check(data []byte) error {
	if len(data) != d.whole {
		return fmt.Errorf("%d data bytes where %d %s have %d", len(data), d.field.Quantity(), d.field.Table, d.whole)
	}
	return nil
}

func (d *Decoder) decodeBits(data []byte) Value {
	on := modbus.Bits(data, d.field.count())
	if len(on) == 1 {
		return d.field.named(BoolValue(on[0]))
	}
	items := make([]Value, len(on))
	for i := range on {
		items[i] = d.field.named(BoolValue(on[i]))
	}
	return List(items)
}

// one returns the value at the beginning of data, null if there is none.
func (d *Decoder) one(data []byte) Value {
	f := &d.field
	if f.Type.isWide() {
		return d.wide(data[:d.size])
	}
	raw := f.raw(data)
	if slices.Contains(f.NoData, raw) {
		return Value{}
	}
	switch f.Type.form() {
	case signs:
		return f.named(BoolValue(raw == 1))
	case floats:
		return d.linear.float(f.Type.number(raw), 8*d.size)
	case digits:
		n, ok := fromBCD(raw)
		if !ok {
			return Value{}
		}
		return f.named(d.linear.integer(n))
	case instant:
		return f.Type.instant(raw)
	}
	if len(f.Flags) > 0 {
		return f.flags(raw)
	}
	return f.named(d.integer(raw))
}

// raw returns the content of a value that is one number.
func (f *Field) raw(data []byte) uint64 {
	raw := f.Order.get(data, f.Type.size())
	switch {
	case f.Width > 0:
		return raw >> f.Bit & (1<<f.Width - 1)
	case f.Type == Bool:
		return raw >> f.Bit & 1
	}
	return raw
}

func (d *Decoder) integer(raw uint64) Value {
	switch {
	case d.field.Type.signed():
		return d.linear.integer(d.field.extend(raw))
	case raw > math.MaxInt64:
		return d.linear.unsigned(raw)
	}
	return d.linear.integer(int64(raw))
}

// noData says why there is no value.
func (d *Decoder) noData(data []byte) error {
	f := &d.field
	last := data[d.whole-d.size:]
	e := &NoDataError{Type: f.Type, Raw: uint64(binary.BigEndian.Uint16(last))}
	switch {
	case !f.Type.isWide():
		e.Raw = f.raw(last)
		if _, ok := fromBCD(e.Raw); f.Type.IsBCD() && !ok {
			e.Sent = fmt.Sprintf("0x%0*X, which is no BCD number", f.Type.width()/4, e.Raw)
		} else if f.Type.form() == instant && !slices.Contains(f.NoData, e.Raw) {
			e.Sent = fmt.Sprintf("%d, which is a time after the year 9999", e.Raw)
		}
	case f.Type.form() == calendar && !d.allNoData(last):
		e.Sent = fmt.Sprintf("% X, which is no date and time", last)
	}
	return e
}

// extend returns a signed content as a number.
func (f *Field) extend(raw uint64) int64 {
	shift := 64 - f.bits()
	return int64(raw<<shift) >> shift
}

// number returns the content of a floating type as a number.
func (t Type) number(raw uint64) float64 {
	if t == Float32 {
		return float64(math.Float32frombits(uint32(raw)))
	}
	return math.Float64frombits(raw)
}

// appendDirect appends a number that is a decimal one without making a Value of it;
// it is not ok for all others, and where there is no value.
func (d *Decoder) appendDirect(dst, data []byte) ([]byte, bool) {
	raw := d.field.Order.get(data, d.size)
	for _, none := range d.field.NoData {
		if raw == none {
			return dst, false
		}
	}
	n := int64(raw)
	if d.field.Type.signed() {
		n = d.field.extend(raw)
	} else if n < 0 {
		return dst, false
	}
	if d.same {
		return strconv.AppendInt(dst, n, 10), true
	}
	number, ok := d.linear.apply(n)
	if !ok {
		return dst, false
	}
	return number.append(dst), true
}
