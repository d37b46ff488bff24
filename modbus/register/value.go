package register

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

type kind uint8

const (
	null kind = iota
	boolean
	decimals
	unsigned
	floating
	letter
	list
)

// Value is what a field holds: a bool, a number, a text, or a block of them. The zero Value
// is null: no value, as for a place of a block whose content means no data.
// A Value is not changed after it was made; its copies may be shared.
type Value struct {
	kind     kind
	decimals int8 // of decimals and floating; Auto: as many as needed
	single   bool // a floating number that was a float32
	bits     uint64
	text     *string
	items    *[]Value
}

// BoolValue returns a bool.
func BoolValue(on bool) Value {
	v := Value{kind: boolean}
	if on {
		v.bits = 1
	}
	return v
}

// Number returns a number; NaN and infinities give null.
func Number(f float64) Value {
	if !finite(f) {
		return Value{}
	}
	if d, ok := decimalOf(f); ok {
		return decimalValue(d.trim())
	}
	return Value{kind: floating, decimals: Auto, bits: math.Float64bits(f)}
}

// Text returns a text; what is no UTF-8 in it becomes U+FFFD.
func Text(text string) Value {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return Value{kind: letter, text: &text}
}

// List returns a block of values. The caller gives items away.
func List(items []Value) Value { return Value{kind: list, items: &items} }

func decimalValue(d decimal) Value {
	return Value{kind: decimals, decimals: int8(d.decimals), bits: uint64(d.mantissa)}
}

func (v Value) decimal() (decimal, bool) {
	switch v.kind {
	case decimals:
		return decimal{int64(v.bits), int(v.decimals)}, true
	case floating:
		return decimalOf(v.Float())
	}
	return decimal{}, false
}

// IsNull reports whether there is no value.
func (v Value) IsNull() bool { return v.kind == null }

// IsNumber reports whether the value is one number.
func (v Value) IsNumber() bool { return v.kind == decimals || v.kind == unsigned || v.kind == floating }

// Bool returns a bool; ok is false for everything else.
func (v Value) Bool() (on, ok bool) { return v.bits == 1, v.kind == boolean }

// Text returns a text; ok is false for everything else.
func (v Value) Text() (text string, ok bool) {
	if v.kind != letter {
		return "", false
	}
	return *v.text, true
}

// Float returns a number, a bool as 0 or 1, and NaN for null, texts and blocks. Whole
// numbers beyond 2^53 are rounded.
func (v Value) Float() float64 {
	switch v.kind {
	case boolean, unsigned:
		return float64(v.bits)
	case decimals:
		return decimal{int64(v.bits), int(v.decimals)}.float()
	case floating:
		return math.Float64frombits(v.bits)
	}
	return math.NaN()
}

// Items returns the values of a block, nil for a single value. The caller must not change them.
func (v Value) Items() []Value {
	if v.kind != list {
		return nil
	}
	return *v.items
}

// Equal reports whether two values of one field are the same.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.decimals == w.decimals && v.single == w.single && v.bits == w.bits &&
		(v.kind != letter || *v.text == *w.text) && slices.EqualFunc(v.Items(), w.Items(), Value.Equal)
}

// AppendJSON appends the value as JSON: true, 30.5, "heat", null, or an array of them.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case boolean:
		return strconv.AppendBool(dst, v.bits == 1)
	case unsigned:
		return strconv.AppendUint(dst, v.bits, 10)
	case decimals:
		return decimal{int64(v.bits), int(v.decimals)}.append(dst)
	case floating:
		return v.appendFloat(dst)
	case letter:
		return appendString(dst, *v.text)
	case list:
		return v.appendList(dst)
	}
	return append(dst, "null"...)
}

// JSON returns what [Value.AppendJSON] appends.
func (v Value) JSON() []byte { return v.AppendJSON(nil) }

// AppendText appends the value as text: a text is itself, null is nothing, all others
// are their JSON.
func (v Value) AppendText(dst []byte) []byte {
	switch v.kind {
	case null:
		return dst
	case letter:
		return append(dst, *v.text...)
	}
	return v.AppendJSON(dst)
}

// String returns the value as text.
func (v Value) String() string { return string(v.AppendText(nil)) }

func (v Value) appendList(dst []byte) []byte {
	dst = append(dst, '[')
	for i, item := range *v.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = item.AppendJSON(dst)
	}
	return append(dst, ']')
}

// appendFloat writes numbers of a usual size without exponent.
func (v Value) appendFloat(dst []byte) []byte {
	f, size, format := math.Float64frombits(v.bits), 64, byte('f')
	if v.single {
		size = 32
	}
	if a := math.Abs(f); v.decimals < 0 && a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, int(v.decimals), size)
}
