package register

import (
	"fmt"
	"math"
)

// Type is how a value is written in registers or bits.
type Type uint8

// The types. Bool is a coil, a discrete input, or one bit of a register.
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
)

var types = [...]struct {
	name     string
	size     int // bytes in registers
	signed   bool
	floating bool
}{
	Bool:    {name: "bool", size: 2},
	Int16:   {name: "int16", size: 2, signed: true},
	Uint16:  {name: "uint16", size: 2},
	Int32:   {name: "int32", size: 4, signed: true},
	Uint32:  {name: "uint32", size: 4},
	Int64:   {name: "int64", size: 8, signed: true},
	Uint64:  {name: "uint64", size: 8},
	Float32: {name: "float32", size: 4, floating: true},
	Float64: {name: "float64", size: 8, floating: true},
}

func (t Type) String() string {
	if t == 0 || int(t) >= len(types) {
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

// Raw returns a whole number as the type's content: two's complement for integers,
// the bits of that number for floats. It is not ok if the type cannot hold it.
func (t Type) Raw(n int64) (raw uint64, ok bool) {
	switch {
	case t == Float32:
		return uint64(math.Float32bits(float32(n))), int64(float32(n)) == n
	case t == Float64:
		return math.Float64bits(float64(n)), int64(float64(n)) == n
	case n >= 0:
		return uint64(n), t.size() == 8 || uint64(n)>>(8*t.size()) == 0
	}
	return uint64(n) & t.mask(), n >= -1<<(8*t.size()-1)
}

func (t Type) size() int      { return types[t].size }
func (t Type) signed() bool   { return types[t].signed }
func (t Type) floating() bool { return types[t].floating }
func (t Type) mask() uint64   { return math.MaxUint64 >> (64 - 8*t.size()) }

// extend returns the content of a signed type as a number.
func (t Type) extend(raw uint64) int64 {
	shift := 64 - 8*t.size()
	return int64(raw<<shift) >> shift
}
