package register

import (
	"fmt"
	"strings"
)

// named returns the name of a number or bool where it has one.
func (f *Field) named(v Value) Value {
	if len(f.Names) == 0 || v.kind != boolean && v.kind != decimals && v.kind != unsigned {
		return v
	}
	for i := range f.Names {
		if f.Names[i].Number == int64(v.bits) {
			return Value{kind: letter, text: &f.Names[i].Name}
		}
	}
	return v
}

// flags returns the names of the bits that are on.
func (f *Field) flags(raw uint64) Value {
	on := []Value{}
	for i := range f.Flags {
		if raw>>f.Flags[i].Number&1 == 1 {
			on = append(on, Value{kind: letter, text: &f.Flags[i].Name})
		}
	}
	return List(on)
}

// number returns what a name stands for, and everything else as it is. A name that
// several numbers have is the first of them.
func (f *Field) number(v Value) (Value, error) {
	name, ok := v.Text()
	if !ok || len(f.Names) == 0 {
		return v, nil
	}
	for _, n := range f.Names {
		switch {
		case n.Name != name:
		case f.Type == Bool:
			return BoolValue(n.Number == 1), nil
		case f.Type == Uint64 && n.Number < 0:
			return Value{kind: unsigned, bits: uint64(n.Number)}, nil
		default:
			return decimalValue(decimal{n.Number, 0}), nil
		}
	}
	return Value{}, fmt.Errorf("%s is no name of it: known are %s", v.JSON(), listed(f.Names))
}

// bitsOf returns the number in which the flags of a list are on.
func (f *Field) bitsOf(v Value) (raw uint64, err error) {
	if v.kind != list {
		return 0, fmt.Errorf("%s where flags need the list of those that are on, such as [%q]", v.JSON(), f.Flags[0].Name)
	}
	for _, item := range v.Items() {
		name, _ := item.Text()
		bit := -1
		for _, n := range f.Flags {
			if n.Name == name {
				bit = int(n.Number)
			}
		}
		if bit < 0 {
			return 0, fmt.Errorf("%s is no flag of it: known are %s", item.JSON(), listed(f.Flags))
		}
		raw |= 1 << bit
	}
	return raw, nil
}

func listed(names []Name) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = n.Name
	}
	return strings.Join(words, ", ")
}
