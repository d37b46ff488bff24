package profile

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/register"
)

type tableKey struct {
	key   string
	table modbus.Table
}

var tableKeys = []tableKey{
	{"input", modbus.InputRegisters},
	{"holding", modbus.HoldingRegisters},
	{"coil", modbus.Coils},
	{"discrete", modbus.DiscreteInputs},
}

// decodeField reads where a value lies and how it is written there.
func decodeField(m *strictyaml.Map) register.Field {
	f := decodeShown(m)
	found := decodePlace(m, &f)
	decodeBit(m, &f)
	f.Count = m.Get("count").Int(0, 1, modbus.MaxReadBits)
	f.Type = decodeType(m, f, found)
	f.Order = decodeOrder(m.Get("order"))
	noData := m.Get("no_data")
	if f.Type == 0 || !found {
		return f // already reported
	}
	f.NoData = decodeNoData(noData, f.Type)
	if err := f.Check(); err != nil {
		m.Node().Problemf("%v", err)
	}
	return f
}

// decodeShown reads what becomes of a number before it is shown.
func decodeShown(m *strictyaml.Map) register.Field {
	scale := m.Get("scale")
	f := register.Field{
		Bit:      -1,
		Scale:    number(scale, 1),
		Offset:   number(m.Get("offset"), 0),
		Decimals: m.Get("decimals").Int(register.Auto, 0, register.MaxDecimals),
		Names:    decodeNames(m.Get("enum")),
		Flags:    decodeNames(m.Get("flags")),
	}
	if scale.Present() && f.Scale == 0 {
		scale.Problemf("a scale of 0 makes every value the same: leave it out, or write the factor")
	}
	return f
}

// decodePlace reads the one key that names table and address.
func decodePlace(m *strictyaml.Map, f *register.Field) bool {
	found := false
	for _, t := range tableKeys {
		n := m.Get(t.key)
		if !n.Present() {
			continue
		}
		if found {
			n.Problemf("the place is given twice: keep one of input, holding, coil and discrete")
			continue
		}
		f.Table, f.Address, found = t.table, uint16(n.Int(0, 0, math.MaxUint16)), true
	}
	if !found && m.Node().Present() {
		m.Node().Problemf("the place is missing: add input, holding, coil or discrete with the address, such as holding: 0x0103")
	}
	return found
}

// decodeBit reads which part of a register the field is: one bit, or some.
func decodeBit(m *strictyaml.Map, f *register.Field) {
	f.Bit = m.Get("bit").Int(-1, 0, 15)
	bit, width := decodeBits(m.Get("bits"))
	if width > 0 && m.Get("bit").Present() {
		m.Get("bits").Problemf("bit is there, too: keep one of bit and bits")
		f.Bit = -1
	} else if width > 0 {
		f.Bit, f.Width = bit, width
	}
}

// decodeType reads the type, which is clear for bits and asked for otherwise:
// nothing tells whether 0xFF33 is 65331 or -205.
func decodeType(m *strictyaml.Map, f register.Field, found bool) register.Type {
	n, def := m.Get("type"), ""
	if f.Width > 0 || m.Get("bits").Present() {
		def = register.Uint16.String()
	} else if f.Table.IsBits() || f.Bit >= 0 {
		def = register.Bool.String()
	} else if !n.Present() && found {
		n.Problemf("the key is missing: add type with one of %s", listed(register.TypeNames()))
	}
	t, _ := register.TypeByName(n.OneOf(def, register.TypeNames()...))
	if t == register.String && !m.Get("count").Present() {
		m.Get("count").Problemf("the key is missing: add count, the number of registers of the text")
	}
	if f.Bit >= 0 && f.Width == 0 && t != register.Bool && t != 0 {
		n.Problemf("bit %d of a register is a bool, not %s: remove type or bit", f.Bit, t)
	}
	return t
}

// letterOrders are what makers call the orders.
var letterOrders = map[string]register.Order{
	"ABCD": register.Big, "DCBA": register.Little, "BADC": register.BigSwap, "CDAB": register.LittleSwap, "AB": register.Big, "BA": register.Little,
}

func decodeOrder(n strictyaml.Node) register.Order {
	if n.Present() && !n.IsMap() && !n.IsList() {
		if meant, ok := letterOrders[strings.ToUpper(n.String(""))]; ok {
			n.Problemf("expected %s, got %s: did you mean %s?", listed(register.OrderNames()), n.Shown(), meant)
			return meant
		}
	}
	order, _ := register.OrderByName(n.OneOf(register.Big.String(), register.OrderNames()...))
	return order
}

// decodeNoData takes contents as numbers of the type (-9999) or of its width (0x8000);
// of BCD only the latter, where nothing tells whether 9999 is four digits.
func decodeNoData(n strictyaml.Node, t register.Type) []uint64 {
	var raw []uint64
	for _, item := range n.ListOrOne() {
		text := item.String("")
		v, ok := whole(text)
		if t.IsBCD() && ok && v > 9 && !strings.HasPrefix(strings.ToLower(text), "0x") {
			item.Problemf("expected what the registers hold, such as 0x9999, got %s: write it with 0x", item.Shown())
			continue
		}
		if !ok {
			item.Problemf("expected a whole number such as 0x8000 or -9999, got %s", item.Shown())
		} else if r, ok := t.Raw(v); ok {
			raw = append(raw, r)
		} else {
			item.Problemf("%s does not fit into %s", item.Shown(), t)
		}
	}
	return raw
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*|0[xX][0-9a-fA-F]+)$`)

// whole reads a whole number of up to 64 bits, on machines of 32 bits as well; one
// above the int64 range is taken as the same bits.
func whole(text string) (int64, bool) {
	if !wholeNumber.MatchString(text) {
		return 0, false
	}
	if v, err := strconv.ParseInt(text, 0, 64); err == nil {
		return v, true
	}
	v, err := strconv.ParseUint(text, 0, 64)
	return int64(v), err == nil
}
