package profile

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/modbus/register"
)

// decodeInitial reads what the register holds at first: a value, or one for each place.
// named has the names that may stand for numbers.
func decodeInitial(n strictyaml.Node, r *Register, named register.Field) {
	if r.IsText() {
		r.Text = n.String(firstText(r.Type))
		return
	}
	all := []register.Value{register.Number(firstOf(*r))}
	switch isFlags := len(named.Flags) > 0 && !r.IsBlock(); {
	case n.IsList() && isFlags && !isNumbers(n):
		all[0] = flagsOn(n, named.Flags)
	case n.IsList():
		all = nil
		for _, item := range n.List() {
			all = append(all, content(item, named))
		}
		if len(all) != max(1, r.Count) {
			n.Problemf("there are %d values: the register has %d", len(all), max(1, r.Count))
		}
	case n.Present():
		all[0] = content(n, named)
	}
	r.hold(all)
}

// hold makes values what the register holds at first.
func (r *Register) hold(all []register.Value) {
	exact := true
	for _, v := range all {
		r.Each = append(r.Each, v.Float())
		exact = exact && (register.Number(v.Float()).String() == v.String() || math.Abs(v.Float()) < 1<<53)
	}
	if !exact {
		r.Exact = all
	}
	if len(r.Each) == 1 {
		r.Initial, r.Each = r.Each[0], nil
	}
}

func isNumbers(n strictyaml.Node) bool {
	return slices.ContainsFunc(n.List(), func(item strictyaml.Node) bool {
		_, err := strconv.ParseFloat(item.String(""), 64)
		return err == nil
	})
}

// flagsOn reads the list of the flags that are on.
func flagsOn(n strictyaml.Node, flags []register.Name) register.Value {
	var bits uint64
	for _, item := range n.List() {
		text := item.String("")
		i := slices.IndexFunc(flags, func(f register.Name) bool { return f.Name == text })
		if i < 0 {
			item.Problemf("expected a flag, got %s: known are %s", item.Shown(), nameList(flags))
			continue
		}
		bits |= 1 << flags[i].Number
	}
	return exactly(strconv.FormatUint(bits, 10))
}

// content reads what one register holds: a number, which people also write in hex, one
// of its names, or true or false.
func content(n strictyaml.Node, named register.Field) register.Value {
	if n.IsMap() || n.IsList() {
		return register.Number(number(n, 0)) // reports it
	}
	text := n.String("")
	for _, name := range slices.Concat(named.Names, named.Flags) {
		if name.Name != text {
			continue
		}
		if len(named.Flags) > 0 {
			return exactly(strconv.FormatUint(1<<name.Number, 10))
		}
		if named.Type == register.Uint64 {
			return exactly(strconv.FormatUint(uint64(name.Number), 10))
		}
		return exactly(strconv.FormatInt(name.Number, 10))
	}
	if on, isBool := map[string]float64{"true": 1, "false": 0}[text]; isBool && named.Type == register.Bool {
		return register.Number(on)
	}
	if v, ok := wholeValue(text); ok {
		return v
	}
	if names := slices.Concat(named.Names, named.Flags); len(names) > 0 {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			n.Problemf("expected a number or a name, got %s: known are %s", n.Shown(), nameList(names))
			return register.Number(0)
		}
	}
	return register.Number(number(n, 0))
}

// wholeValue reads a whole number of up to 64 bits.
func wholeValue(text string) (register.Value, bool) {
	if !wholeNumber.MatchString(text) {
		return register.Value{}, false
	}
	if v, err := strconv.ParseInt(text, 0, 64); err == nil {
		return exactly(strconv.FormatInt(v, 10)), true
	}
	v, err := strconv.ParseUint(text, 0, 64)
	return exactly(strconv.FormatUint(v, 10)), err == nil
}

func exactly(number string) register.Value {
	v, _ := register.Parse([]byte(number)) // whole numbers of 64 bits are values
	return v
}

func nameList(names []register.Name) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = n.Name
	}
	return strings.Join(words, ", ")
}
