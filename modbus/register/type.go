package register

import (
	"fmt"
	"math"
)

// Type is how a value is written in registers or bits.
type Type uint8

// The types. Bool is a coil, a discrete input, or one bit of a register. The numbers
// in the names are bits; BCD holds a decimal digit in each 4 of them.
const (
	Bool Type = iota + 1
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float32
	Float64
	BCD16
	BCD32
	BCD64
	String        // [Field.Count] registers with two bytes each
	TimeUnix      // 32 bits: seconds since 1970
	TimeUnixMS    // 64 bits: milliseconds since 1970
	TimeRegisters // 6 registers: year, month, day, hour, minute, second
	TimeBytes     // 3 registers: year in its century and month, day and hour, minute and second
	TimeBCD       // the same with two decimal digits in each byte
)

// form is what a type's content is made of.
type form uint8

const (
	signs    form = iota // on and off
	integer              // two's complement, if it is signed
	floats               // IEEE 754
	digits               // decimal ones, 4 bits each
	letters              // UTF-8 or Latin-1
	instant              // a number of seconds or milliseconds
	calendar             // year, month, day, hour, minute, second
)

var types = [...]struct {
	name   string
	size   int // bytes in registers; of a string: of each register
	form   form
	signed bool
}{
	Bool:          {name: "bool", size: 2},
	Int16:         {name: "int16", size: 2, form: integer, signed: true},
	Uint16:        {name: "uint16", size: 2, form: integer},
	Int32:         {name: "int32", size: 4, form: integer, signed: true},
	Uint32:        {name: "uint32", size: 4, form: integer},
	Int64:         {name: "int64", size: 8, form: integer, signed: true},
	Uint64:        {name: "uint64", size: 8, form: integer},
	Float32:       {name: "float32", size: 4, form: floats},
	Float64:       {name: "float64", size: 8, form: floats},
	BCD16:         {name: "bcd16", size: 2, form: digits},
	BCD32:         {name: "bcd32", size: 4, form: digits},
	BCD64:         {name: "bcd64", size: 8, form: digits},
	String:        {name: "string", size: 2, form: letters},
	TimeUnix:      {name: "time-unix", size: 4, form: instant},
	TimeUnixMS:    {name: "time-unix-ms", size: 8, form: instant},
	TimeRegisters: {name: "time-registers", size: 12, form: calendar},
	TimeBytes:     {name: "time-bytes", size: 6, form: calendar},
	TimeBCD:       {name: "time-bcd", size: 6, form: calendar},
}

func (t Type) String() string {
	if !t.known() {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return types[t].name
}

// TypeNames returns the names of all types.
func TypeNames() []string {
	var names []string
	for _, t := range types[1:] {
		names = append(names, t.name)
	}
	return names
}

// TypeByName is the inverse of [Type.String].
func TypeByName(name string) (t Type, ok bool) {
	for t, described := range types {
		if t > 0 && described.name == name {
			return Type(t), true
		}
	}
	return 0, false
}

// Raw returns a whole number as content that means no data, see [Field.NoData]:
// two's complement for integers, the bits of that number for floats, the bits as they
// are for all others. It is not ok if the type cannot hold it.
func (t Type) Raw(n int64) (raw uint64, ok bool) {
	width := t.width()
	switch {
	case t == Float32:
		return uint64(math.Float32bits(float32(n))), int64(float32(n)) == n
	case t == Float64:
		return math.Float64bits(float64(n)), int64(float64(n)) == n
	case n >= 0 || width == 64:
		return uint64(n), width == 64 || uint64(n)>>width == 0
	}
	return uint64(n) & (math.MaxUint64 >> (64 - width)), n >= -1<<(width-1)
}

// IsNumber reports whether the type holds numbers.
func (t Type) IsNumber() bool {
	return t.known() && (types[t].form == integer || types[t].form == floats || types[t].form == digits)
}

// IsFloat reports whether the type holds floating point numbers.
func (t Type) IsFloat() bool { return t.known() && types[t].form == floats }

// IsBCD reports whether the type holds decimal digits of 4 bits.
func (t Type) IsBCD() bool { return t.known() && types[t].form == digits }

// IsTime reports whether the type holds a date and time.
func (t Type) IsTime() bool {
	return t.known() && (types[t].form == instant || types[t].form == calendar)
}

func (t Type) known() bool  { return t > 0 && int(t) < len(types) }
func (t Type) size() int    { return types[t].size }
func (t Type) form() form   { return types[t].form }
func (t Type) signed() bool { return types[t].signed }

// isWide reports whether the content is registers one by one, not one number.
func (t Type) isWide() bool { return types[t].form == letters || types[t].form == calendar }

// width returns how many bits the content has that means no data: those of the
// number, or of each register where there is none.
func (t Type) width() int {
	if t.isWide() {
		return 16
	}
	return 8 * t.size()
}
