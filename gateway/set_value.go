package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// badValue is a value that a reading does not take.
type badValue struct {
	code message.Code // Denied by the reading's limits, or Invalid: it is no value of this kind
	says string
}

func (b *badValue) Error() string { return b.says }

func invalid(format string, args ...any) *badValue {
	return &badValue{message.Invalid, fmt.Sprintf(format, args...)}
}

func denied(format string, args ...any) *badValue {
	return &badValue{message.Denied, fmt.Sprintf(format, args...)}
}

// writing returns the way of a value into its register. If the value is bad, its
// request can be answered, and nothing else.
func (s *setter) writing(set *message.Set, reading *profile.Reading) (*writing, *badValue) {
	w := &writing{reading: reading, unit: s.device.Unit, lacks: s.lacks}
	value, bad := valueOf(set, reading)
	if bad == nil {
		w.data, w.mask, bad = encoded(reading, value)
	}
	a := modbus.ADU{Unit: s.device.Unit}
	if bad == nil {
		a.PDU = w.write()
	}
	w.request = set.Request(a)
	return w, bad
}

// valueOf returns the value that a set has for a reading, within its limits.
func valueOf(set *message.Set, r *profile.Reading) (register.Value, *badValue) {
	switch {
	case r.Type == register.String || r.Type.IsTime() && !r.IsBlock():
		return textValue(wordOf(set), r)
	case len(r.Flags) > 0:
		return flagsValue(set, r)
	case !r.IsBlock():
		return oneValue(wordOf(set), r)
	}
	list, ok := listOf(set)
	if !ok || len(list) != r.Count {
		return register.Value{}, invalid("%s is a block: give a list of %d values, [...]", r.Name, r.Count)
	}
	items := make([]register.Value, len(list))
	for i, raw := range list {
		var bad *badValue
		if items[i], bad = oneValue(wordOf(&message.Set{JSON: raw}), r); bad != nil {
			return register.Value{}, bad
		}
	}
	return register.List(items), nil
}

// listOf returns the values of a list.
func listOf(set *message.Set) (list []json.RawMessage, ok bool) {
	text := []byte(set.Plain)
	if set.JSON != nil {
		text = set.JSON
	}
	return list, text[0] == '[' && json.Unmarshal(text, &list) == nil
}

// word is one value as it is written.
type word struct {
	text   string
	quoted bool // a JSON string: never a number
	plain  bool // not JSON: anything
}

func wordOf(set *message.Set) word {
	if set.JSON == nil {
		w := word{text: set.Plain, plain: true}
		w.quoted = strings.HasPrefix(set.Plain, `"`) && json.Unmarshal([]byte(set.Plain), &w.text) == nil
		return w
	}
	w := word{text: string(set.JSON)}
	if set.JSON[0] == '"' {
		w.quoted = json.Unmarshal(set.JSON, &w.text) == nil
	}
	return w
}

// String shows a value to people in quotes, not longer than they want to read.
func (w word) String() string { return strconv.Quote(w.shown()) }

func (w word) shown() string {
	const most = 40
	text := []rune(w.text)
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return string(text)
}

func oneValue(w word, r *profile.Reading) (register.Value, *badValue) {
	switch {
	case !w.quoted && !w.plain && w.text == "null":
		return register.Value{}, invalid("%s cannot be set to null: give a value", r.Name)
	case r.Type.IsTime():
		return textValue(w, r)
	case len(r.Names) > 0:
		return namedValue(w, r)
	case r.Type == register.Bool:
		return boolValue(w, r)
	}
	return numberValue(w, r)
}

// textValue takes texts and times, whose limits are those of their types.
func textValue(w word, r *profile.Reading) (register.Value, *badValue) {
	if !w.quoted && !w.plain {
		return register.Value{}, invalid("%s takes a text in quotes, not %s", r.Name, w)
	}
	return register.Text(w.text), nil
}

// flagsValue takes the list of the flags that are to be on; those that are not in it are to be off.
func flagsValue(set *message.Set, r *profile.Reading) (register.Value, *badValue) {
	list, ok := listOf(set)
	on := make([]register.Value, 0, len(list))
	for _, raw := range list {
		w := wordOf(&message.Set{JSON: raw})
		ok = ok && w.quoted && slices.ContainsFunc(r.Flags, func(n register.Name) bool { return n.Name == w.text })
		on = append(on, register.Text(w.text))
	}
	if !ok {
		return register.Value{}, denied("%s cannot be set to %s: give the list of those that are to be on, [...], of %s", r.Name, wordOf(set), names(r.Flags))
	}
	return register.List(on), nil
}

func boolValue(w word, r *profile.Reading) (register.Value, *badValue) {
	var on bool
	switch strings.ToLower(w.text) {
	case "true", "on", "1":
		on = true
	case "false", "off", "0":
	default:
		return register.Value{}, invalid("%s takes true or false, on or off, 1 or 0, not %s", r.Name, w)
	}
	v := register.BoolValue(on)
	if v.Float() < r.Set.Min || v.Float() > r.Set.Max {
		return v, denied("%s cannot be set to %s: its limits are %v to %v", r.Name, v, r.Set.Min, r.Set.Max)
	}
	return v, nil
}

// namedValue takes a name, in any letter case if that is clear, or a number that has one.
func namedValue(w word, r *profile.Reading) (register.Value, *badValue) {
	i := slices.IndexFunc(r.Names, func(n register.Name) bool { return n.Name == w.text })
	if i < 0 {
		alike := func(n register.Name) bool { return strings.EqualFold(n.Name, w.text) }
		if i = slices.IndexFunc(r.Names, alike); i >= 0 && slices.ContainsFunc(r.Names[i+1:], alike) {
			i = -1
		}
	}
	if i >= 0 {
		return register.Text(r.Names[i].Name), nil
	}
	if n, ok := exactly(w); ok && n.IsInt() && n.Num().IsInt64() {
		number := n.Num().Int64()
		named := slices.ContainsFunc(r.Names, func(n register.Name) bool { return n.Number == number })
		if v, err := register.Parse([]byte(n.Num().String())); named && err == nil {
			return v, nil
		}
	}
	return register.Value{}, denied("%s cannot be set to %s: its values are %s", r.Name, w, names(r.Names))
}

func names(all []register.Name) string {
	var b strings.Builder
	for i, n := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%d)", n.Name, n.Number)
	}
	return b.String()
}

func numberValue(w word, r *profile.Reading) (register.Value, *badValue) {
	n, ok := exactly(w)
	v, err := register.Parse([]byte(w.text))
	if !ok || err != nil || !v.IsNumber() {
		return v, invalid("%s takes a number, not %s: %s", r.Name, w, limits(r))
	}
	if !within(n, r.Set) {
		return v, denied("%s cannot be set to %s: %s", r.Name, w.shown(), limits(r))
	}
	return v, nil
}

// number is a number of JSON, with its exponent.
var number = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?$`)

// exactly returns the number that w is, without rounding. It is not ok for one whose
// exponent is beyond what any register holds.
func exactly(w word) (*big.Rat, bool) {
	const most = 500
	m := number.FindStringSubmatch(strings.TrimSpace(w.text))
	if w.quoted || m == nil {
		return nil, false
	}
	if e, err := strconv.Atoi(cmp.Or(m[1], "0")); err != nil || e < -most || e > most {
		return nil, false
	}
	return new(big.Rat).SetString(m[0])
}

// within reports whether a number keeps to the limits, exactly, as decimal numbers.
func within(n *big.Rat, s *profile.Set) bool {
	low, high := rational(s.Min), rational(s.Max)
	if n.Cmp(low) < 0 || n.Cmp(high) > 0 {
		return false
	}
	if s.Step == 0 {
		return true
	}
	steps := new(big.Rat).Sub(n, low)
	return steps.Quo(steps, rational(s.Step)).IsInt()
}

// rational returns a number of the configuration as it is written there in decimals,
// as far as a float64 tells.
func rational(f float64) *big.Rat {
	const whole = 1 << 53 // from here on a float64 has no fraction, and more digits than the shortest that mean it
	n := new(big.Rat)
	if math.Abs(f) < whole {
		n.SetString(strconv.FormatFloat(f, 'g', -1, 64))
		return n
	}
	return n.SetFloat64(f)
}

func limits(r *profile.Reading) string {
	text := fmt.Sprintf("it must be %s to %s", register.Number(r.Set.Min), register.Number(r.Set.Max))
	if r.Unit != "" {
		text += " " + r.Unit
	}
	if r.Set.Step > 0 {
		text += fmt.Sprintf(" in steps of %s", register.Number(r.Set.Step))
	}
	return text
}

// encoded returns what the device holds when it has the value, and which bits of its
// register that are; 0 = everything.
func encoded(r *profile.Reading, v register.Value) (data []byte, mask uint16, bad *badValue) {
	var err error
	if r.IsPart() {
		var and, or uint16
		and, or, err = r.Mask(v)
		data, mask = modbus.AppendRegisters(nil, or), ^and
	} else {
		data, err = r.AppendData(nil, v)
	}
	if err != nil {
		return nil, 0, invalid("%s cannot be set: %v", r.Name, err)
	}
	return data, mask, checkRounded(r, v, data)
}

// checkRounded refuses what the device would hold instead of the value, where the
// limits do not allow that, or where it would be no value at all.
func checkRounded(r *profile.Reading, v register.Value, data []byte) *badValue {
	exact := *r
	exact.Decimals = register.Auto
	held, err := exact.Decode(data)
	if err != nil {
		return invalid("%s cannot be set to %s: at this device that content means that there is no value", r.Name, v)
	}
	items := held.Items()
	if items == nil {
		items = []register.Value{held}
	}
	for _, item := range items {
		if item.IsNull() {
			return invalid("%s cannot be set to %s: at this device that content means that there is no value", r.Name, v)
		}
		if r.IsNumber() && !r.Type.IsFloat() && !near(item.Float(), r.Set) {
			return denied("%s cannot be set to %s: the device would hold %s, and %s", r.Name, v, item, limits(r))
		}
	}
	return nil
}

// near reports whether a number keeps to the limits but for what binary fractions are off by.
func near(n float64, s *profile.Set) bool {
	const grain = 1e-9
	return n >= s.Min-grain*math.Max(1, math.Abs(s.Min)) && n <= s.Max+grain*math.Max(1, math.Abs(s.Max))
}
