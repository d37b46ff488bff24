package profile

import (
	"math"
	"slices"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/register"
)

const defaultSample = time.Second

// decodeRegisters reads the device's own side. A register with the name of a
// reading has that reading's place and type.
func decodeRegisters(n strictyaml.Node, readings []Reading) []Register {
	var registers []Register
	entries := n.Map().Entries()
	for _, e := range entries {
		checkName(e.Key, e.Name)
		registers = append(registers, decodeRegister(e, readings))
	}
	for i, e := range entries {
		checkAmong(e.Value, i, registers)
	}
	return registers
}

func decodeRegister(e strictyaml.Entry, readings []Reading) Register {
	m := e.Value.Map()
	defer m.Done()
	field, named := registerField(m, e.Name, readings)
	r := Register{Name: e.Name, Field: field}
	r.Min = number(m.Get("min"), math.Inf(-1))
	r.Max = number(m.Get("max"), math.Inf(1))
	r.ReadOnly = m.Get("read_only").Bool(false) || r.Table.IsInput()
	r.Codes = decodeCodes(m.Get("codes"))
	r.Coded = decodeReads(m.Get("reads"), r.Codes)
	r.Role = map[string]Role{"unit": UnitID, "baud": BaudRate}[m.Get("is").OneOf("", "unit", "baud")]
	r.Applies = map[string]Moment{"restart": AtRestart}[m.Get("applies").OneOf("", "at once", "restart")]
	r.Corrects = m.Get("corrects").String("")
	r.Refusal = byte(m.Get("refusal").Int(0, 1, 4))
	r.Model = decodeModel(m)
	decodeInitial(m.Get("initial"), &r, named)
	checkRegister(m.Node(), r)
	return r
}

// firstOf returns what a register holds at first if nothing is said.
func firstOf(r Register) float64 {
	if r.Model == nil {
		return 0
	}
	return min(max(beginning(r.Model), r.Min), r.Max)
}

// firstText is for a clock, which always shows a time; its first is 2000.
func firstText(t register.Type) string {
	if t.IsTime() {
		return "2000-01-01T00:00:00Z"
	}
	return ""
}

// registerField reads where a register lies. A device knows no names of numbers: named
// is the same with those that people know.
func registerField(m *strictyaml.Map, name string, readings []Reading) (f, named register.Field) {
	i := slices.IndexFunc(readings, func(r Reading) bool { return r.Name == name && r.Compute == "" })
	placed := slices.ContainsFunc(tableKeys, func(t tableKey) bool { return m.Get(t.key).Present() })
	if i >= 0 && !placed {
		f = readings[i].Field
	} else {
		f = decodeField(m) // reports a missing place, too
	}
	named = f
	if i >= 0 && len(f.Names)+len(f.Flags) == 0 {
		named.Names, named.Flags = readings[i].Names, readings[i].Flags
	}
	f.Names, f.Flags = nil, nil
	return f, named
}

func decodeCodes(n strictyaml.Node) []Code {
	var codes []Code
	for _, e := range n.Map().Entries() {
		written, ok := whole(e.Name)
		if !ok || written < 0 || written > math.MaxUint16 {
			e.Key.Problemf("expected a number from 0 to 65535, got %s", e.Key.Shown())
		}
		codes = append(codes, Code{uint16(written), uint16(e.Value.Int(0, 0, math.MaxUint16))})
	}
	return codes
}

// decodeReads tells what a register with codes reads back as.
func decodeReads(n strictyaml.Node, codes []Code) (coded bool) {
	if n.Present() && len(codes) == 0 {
		n.Problemf("only a register with codes can read back as one of them: add codes, or remove reads")
	}
	return n.OneOf("meaning", "meaning", "code") == "code"
}

// checkRegister reports what is wrong with one register alone.
func checkRegister(n strictyaml.Node, r Register) {
	number := r.Table == modbus.HoldingRegisters && r.IsNumber() && !r.IsBlock()
	switch {
	case r.Check() != nil: // already reported
	case r.Table > modbus.DiscreteInputs && (r.Type == register.Bool || r.Width > 0):
		n.Problemf("a device's own register is described whole: write it as uint16")
	case r.IsText() && (!math.IsInf(r.Min, 0) || !math.IsInf(r.Max, 0) || r.Moves()):
		n.Problemf("only numbers have min and max, and move: remove min, max, wave and rises")
	case r.Min > r.Max:
		n.Problemf("min %v is above max %v", r.Min, r.Max)
	case r.Moves() && (!r.ReadOnly || r.IsBlock() || r.Type == register.Bool && !switches(r.Model)):
		n.Problemf("only one number that cannot be written moves by itself: use input, or add read_only: true")
	case r.Refusal != 0 && !r.ReadOnly:
		n.Problemf("refusal is what a write gets: add read_only: true, or remove it")
	case rolls(r.Model) && math.IsInf(r.Max, 0):
		n.Problemf("nothing tells where it rolls over: add max, the greatest value before it begins again")
	case (r.Role != Plain || len(r.Codes) > 0) && !number:
		n.Problemf("is and codes need one number in holding registers")
	default:
		checkInitial(n, r)
	}
}

// switches reports whether a model can be that of a bit.
func switches(m Model) bool {
	switch m.(type) {
	case *Steps, *Replay, *Formula:
		return true
	}
	return false
}

func rolls(m Model) bool {
	c, ok := m.(*Counter)
	return ok && c.Rolls
}

// Moves reports whether the register changes by itself.
func (r Register) Moves() bool { return r.Model != nil }

// Meaning returns what a content of the register stands for: itself, if no code does.
func (r Register) Meaning(content float64) float64 {
	for _, c := range r.Codes {
		if content == float64(c.Written) {
			return float64(c.Means)
		}
	}
	return content
}

func checkInitial(n strictyaml.Node, r Register) {
	one := r.Field
	if one.Type != register.String {
		one.Count = 1
	}
	if r.IsText() {
		if _, err := one.AppendData(nil, r.First()); err != nil {
			n.Problemf("initial: %v", err)
		}
		return
	}
	all := r.First().Items()
	if all == nil {
		all = []register.Value{r.First()}
	}
	for _, v := range all {
		if v.Float() < r.Min || v.Float() > r.Max {
			n.Problemf("initial %v is outside min and max", v)
			return
		}
		if _, err := one.AppendData(nil, v); err != nil {
			n.Problemf("initial %v does not fit into %s", v, r.Type)
			return
		}
	}
}

// IsText reports whether the register holds texts or times.
func (r Register) IsText() bool { return r.Type == register.String || r.Type.IsTime() }

// First returns what the register holds when the device is new: one value, which
// each place of a block holds, or a list of all.
func (r Register) First() register.Value {
	switch {
	case r.IsText():
		return register.Text(r.Text)
	case len(r.Exact) == 1:
		return r.Exact[0]
	case r.Exact != nil:
		return register.List(slices.Clone(r.Exact))
	case r.Each == nil:
		return register.Number(r.Initial)
	}
	items := make([]register.Value, len(r.Each))
	for i, v := range r.Each {
		items[i] = register.Number(v)
	}
	return register.List(items)
}

// checkAmong reports what is wrong with register i beside the others.
func checkAmong(n strictyaml.Node, i int, registers []Register) {
	r, corrected := registers[i], registers[i].Corrects == ""
	for j, other := range registers {
		if j < i && overlap(r.Span(), other.Span()) {
			n.Problemf("it lies on the same %s as %s", r.Table, other.Name)
		}
		if j < i && r.Role != Plain && r.Role == other.Role {
			n.Problemf("%s already is what this register is said to be: keep one", other.Name)
		}
		if other.Name == r.Corrects {
			corrected = other.Moves()
		}
	}
	if !corrected {
		n.Problemf("corrects must name a register that moves by itself, there is none named %q", r.Corrects)
	}
	checkModel(n, r, registers)
}

func overlap(a, b modbus.Span) bool {
	return a.Table != 0 && a.Table == b.Table && int(a.Address) < b.End() && int(b.Address) < a.End()
}
