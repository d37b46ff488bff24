package config

import (
	"slices"
	"strconv"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
	"modferry/gateway/policy"
	"modferry/modbus"
)

func rules(n strictyaml.Node, b *Bus) policy.Rules {
	if !n.Present() {
		return nil
	}
	var out policy.Rules
	items := n.List()
	for _, item := range items {
		out = append(out, rule(item, b))
	}
	if n.IsList() && len(items) == 0 {
		n.Warnf("the list is empty, so the bus stays read-only: remove it, or add a rule")
	}
	return out
}

func rule(n strictyaml.Node, b *Bus) policy.Rule {
	m := n.Map()
	defer m.Done()
	maxUnit := 255
	if b.isSerialLine() {
		maxUnit = int(modbus.MaxUnit)
	}
	r := policy.Rule{
		Clients:   clients(m.Get("clients"), b),
		Units:     ranges(m.Get("units"), maxUnit),
		Functions: functions(m.Get("functions")),
		Addresses: ranges(m.Get("addresses"), modbus.AddressSpace-1),
		Values:    ranges(m.Get("values"), 65535),
	}
	if len(r.Functions) > 0 && !slices.ContainsFunc(r.Functions, modbus.IsWrite) {
		m.Get("functions").Warnf("reading is always allowed, so the rule has no effect: remove it, or add functions that write")
	}
	return r
}

// items returns those of a list or the only one; an empty list is reported, for it
// would match nothing, and nobody means that.
func items(n strictyaml.Node, what string) []strictyaml.Node {
	if n.IsList() && len(n.List()) == 0 {
		n.Problemf("the list is empty, so the rule would match nothing: add %s, or remove the key to match all", what)
	}
	return n.ListOrOne()
}

// clients takes "" for requests whose topic has no client at its end.
func clients(n strictyaml.Node, b *Bus) []string {
	var out []string
	for _, item := range items(n, "names of clients") {
		s := item.String("-")
		if s != "" && !message.ValidName(s) {
			reportName(item)
			continue
		}
		out = append(out, s)
	}
	if len(out) > 0 && b.Request != "" && !slices.Contains(out, "") {
		n.Warnf("a bus with a request topic of its own cannot tell clients apart, so the rule has no effect: remove the key, or add \"\"")
	}
	return out
}

// ranges reads N and N-M, decimal or hexadecimal, from 0 to max.
func ranges(n strictyaml.Node, max int) []policy.Range {
	var out []policy.Range
	for _, item := range items(n, "numbers or ranges such as 1-8") {
		text, ok := item.Text()
		if !ok {
			continue
		}
		from, to, isRange := strings.Cut(text, "-")
		if !isRange {
			to = from
		}
		first, fromGood := parseNumber(from, max)
		last, toGood := parseNumber(to, max)
		switch {
		case !fromGood || !toGood:
			item.Problemf("expected a number from 0 to %d or a range such as 1-8 or 0x0101-0x0104, got %s", max, item.Shown())
		case first > last:
			item.Problemf("the range %s is empty: write the smaller number first", item.Shown())
		default:
			out = append(out, policy.Range{From: first, To: last})
		}
	}
	return out
}

func parseNumber(text string, max int) (int, bool) {
	text = strings.TrimSpace(text)
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		text, base = hex, 16
	}
	v, err := strconv.ParseUint(text, base, 31)
	return int(v), err == nil && int(v) <= max
}

// groups are the functions' two groups. Which functions write is for the
// specification to say; those of vendors count as writes.
func group(write bool) []byte {
	var codes []byte
	for code := byte(1); code < 0x80; code++ {
		if (modbus.IsStandard(code) || modbus.IsUserDefined(code)) && modbus.IsWrite(code) == write {
			codes = append(codes, code)
		}
	}
	return codes
}

// functions takes codes, names and groups.
func functions(n strictyaml.Node) []byte {
	var out []byte
	for _, item := range items(n, "functions, or the groups read and write") {
		text, ok := item.Text()
		if !ok {
			continue
		}
		code, isNumber := parseNumber(text, 127)
		named, isName := modbus.FunctionByName(text)
		switch {
		case text == "read" || text == "write":
			out = append(out, group(text == "write")...)
		case isNumber && code > 0:
			out = append(out, byte(code))
		case isName:
			out = append(out, named)
		default:
			item.Problemf("expected read, write, a code from 1 to 127 or a name such as write_single_register, got %s%s",
				item.Shown(), didYouMean(item, append(modbus.FunctionNames(), "read", "write")))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func didYouMean(n strictyaml.Node, words []string) string {
	if meant := n.Nearest(words...); meant != "" {
		return ": did you mean " + meant + "?"
	}
	return ""
}
