package compute

import (
	"fmt"
	"slices"

	"modferry/modbus/register"
)

// Kind is what the values of a reading or a result are, as far as it is known before
// there are any. The zero Kind is not known, and goes with everything.
type Kind struct {
	form  form
	count int             // of the values of a block; 0 = one value
	names []register.Name // of numbers, or of flags
}

type form uint8

const (
	unknown form = iota
	number
	boolean
	text  // and times
	named // texts where a number has a name, else numbers
	flags // lists of names
)

// KindOf returns the kind of the values of a field.
func KindOf(f register.Field) Kind {
	k := Kind{form: number}
	switch {
	case len(f.Names) > 0:
		k.form, k.names = named, f.Names
	case len(f.Flags) > 0:
		return Kind{form: flags, names: f.Flags}
	case f.Type == register.Bool:
		k.form = boolean
	case f.Type == register.String:
		return Kind{form: text}
	case f.Type.IsTime():
		k.form = text
	}
	if f.IsBlock() {
		k.count = f.Count
	}
	return k
}

// Shown returns the kind of a result that is shown with the names of a field, if it has any.
func (k Kind) Shown(f register.Field) Kind {
	if k.form != text && len(f.Names)+len(f.Flags) > 0 {
		f.Count = 0
		return KindOf(f)
	}
	return k
}

// IsText reports whether the values are texts or names, and surely no numbers.
func (k Kind) IsText() bool { return k.count == 0 && (k.form == text || k.form == named) }

// IsNumber reports whether the values are numbers.
func (k Kind) IsNumber() bool { return k.form == number && k.count == 0 }

func (k Kind) isOne(forms ...form) bool {
	return k.count == 0 && (k.form == unknown || slices.Contains(forms, k.form))
}

func (k Kind) item() Kind {
	k.count = 0
	return k
}

// nameOf returns the name of a number.
func (k Kind) nameOf(n int64) (string, bool) {
	i := slices.IndexFunc(k.names, func(name register.Name) bool { return name.Number == n })
	if i < 0 {
		return "", false
	}
	return k.names[i].Name, true
}

func (k Kind) hasName(name string) bool {
	return slices.ContainsFunc(k.names, func(n register.Name) bool { return n.Name == name })
}

func (k Kind) listed() string {
	words := make([]string, len(k.names))
	for i, n := range k.names {
		words[i] = n.Name
	}
	return listed(words)
}

// noNumber says of an expression of this kind why it cannot stand where a number is needed.
func (k Kind) noNumber(shown string) string {
	switch {
	case k.count > 0:
		return fmt.Sprintf("%s is a block of %d values: take one of them, such as %s[0], or sum(%s)", shown, k.count, shown, shown)
	case k.form == boolean:
		return fmt.Sprintf("%s is true or false, no number: write (%s ? 1 : 0)", shown, shown)
	case k.form == named:
		return fmt.Sprintf("%s is one of the names %s, no number: compare it, such as %s == '%s'", shown, k.listed(), shown, k.names[0].Name)
	case k.form == flags:
		return fmt.Sprintf("%s is the list of flags that are on, no number: ask for one, such as '%s' in %s", shown, k.names[0].Name, shown)
	}
	return fmt.Sprintf("%s is a text, no number", shown)
}
