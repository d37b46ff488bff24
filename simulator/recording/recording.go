package recording

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// Recording is what was seen of a device.
type Recording struct {
	From     string
	Unit     byte
	Start    time.Time
	Rows     int
	Length   time.Duration // from the start to the last row
	End      End
	Holes    []Hole
	Gaps     []Gap // the first of them
	Gapped   int   // how many there were
	Requests int   // that were sent
	Moving   int   // values that changed
	Constant int   // values that did not

	profile *profile.Profile
	blocks  []*block
	times   []time.Duration
	lost    map[modbus.Table]bool
	limits  map[modbus.Table]quantityLimit
	entries []entry
	names   map[string]bool // of them
}

// entry is a register of the simulator's configuration.
type entry struct {
	profile.Register
	block *block // of a value that moves; nil if it does not
	part  part
}

// maxListed is how many addresses of which nothing is known make one entry.
const maxListed = 100

// describe finds out how the simulator is to show each part.
func (c *Recording) describe() {
	c.names = map[string]bool{}
	for _, b := range c.blocks {
		for _, p := range b.parts {
			if e, ok := typed(b, p, c.Unit); ok {
				c.add(e)
				continue
			}
			for i := range p.Quantity {
				c.plain(b, part{Span: modbus.Span{Table: p.Table, Address: p.Address + uint16(i), Quantity: 1}})
			}
		}
	}
}

func (c *Recording) add(e entry) {
	for c.names[e.Name] {
		e.Name += "_"
	}
	c.names[e.Name] = true
	if e.block != nil {
		c.Moving++
	} else {
		c.Constant++
	}
	c.entries = append(c.entries, e)
}

// plain adds an address of which nothing is known.
func (c *Recording) plain(b *block, p part) {
	e := entry{Register: profile.Register{Field: register.Field{Table: p.Table, Address: p.Address, Type: register.Uint16, Bit: -1}, Min: math.Inf(-1), Max: math.Inf(1)}, part: p}
	if p.Table.IsBits() {
		e.Type = register.Bool
	}
	e.Name = fmt.Sprintf("%s-0x%04X", words[p.Table], p.Address)
	if b.moves(p) {
		e.block = b
		c.add(e)
		return
	}
	value := float64(b.of(p, b.changes[0])[0])
	if n := len(c.entries); n > 0 {
		if last := &c.entries[n-1]; last.block == nil && last.part.known == nil && last.Table == p.Table && len(last.Each) < maxListed &&
			last.Span().End() == int(p.Address) {
			last.Each = append(last.Each, value)
			last.Count = len(last.Each)
			c.Constant++
			return
		}
	}
	e.Each, e.Count = []float64{value}, 1
	c.add(e)
}

// typed returns a part as the register that the profile knows; ok is false where that
// could not hold exactly what was read.
func typed(b *block, p part, unit byte) (e entry, ok bool) {
	if p.known == nil {
		return entry{}, false
	}
	e = entry{Register: *p.known, part: p}
	e.Model, e.Corrects, e.Text, e.Each, e.Exact = nil, "", "", nil, nil // what was read is corrected already
	e.Decimals = register.Auto                                           // nothing is rounded
	empty := false
	for i, c := range b.changes {
		values := b.of(p, c)
		if i > 0 && slices.Equal(values, b.of(p, b.changes[i-1])) {
			continue
		}
		if e.IsText() || e.IsBlock() {
			break
		}
		text, ok := cell(e.Field, values)
		if !ok {
			return entry{}, false
		}
		empty = empty || text == ""
	}
	if b.moves(p) || empty {
		e.block, e.Codes, e.Role, e.Applies = b, nil, profile.Plain, profile.AtOnce
		e.Min, e.Max = math.Inf(-1), math.Inf(1)
		return e, !e.IsText() && !e.IsBlock()
	}
	return e, e.stands(b.of(p, b.changes[0]), unit)
}

// stands gives the register what it holds all the time; it is false where it cannot.
func (e *entry) stands(values []uint16, unit byte) bool {
	raw := content(e.Field, values)
	v, err := e.Decode(raw)
	if err != nil {
		return false
	}
	if e.IsText() {
		e.Text = v.String()
		if strings.ContainsFunc(e.Text, func(r rune) bool { return !unicode.IsPrint(r) || r == '$' }) {
			return false
		}
	}
	items := v.Items()
	if items == nil {
		items = []register.Value{v}
	}
	for _, item := range items {
		n := written(item)
		if n.IsNull() { // a place without a value
			return false
		}
		e.Exact = append(e.Exact, n)
		if n.Float() < e.Min || n.Float() > e.Max {
			e.Min, e.Max = math.Inf(-1), math.Inf(1)
		}
	}
	if e.Role == profile.UnitID && e.Exact[0].Float() != float64(unit) {
		e.Role = profile.Plain
	}
	if e.IsText() {
		e.Exact = nil
	}
	again, err := e.AppendData(nil, e.First())
	return err == nil && slices.Equal(again, raw)
}

// wholeNumber is what a configuration keeps with all digits.
var wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)

// written returns a number as a configuration has it.
func written(v register.Value) register.Value {
	if v = number(v); wholeNumber.MatchString(v.String()) {
		return v
	}
	return register.Number(v.Float())
}

// cell returns a value as it stands in the CSV file; ok is false if the simulator
// would not make the same contents of it.
func cell(f register.Field, values []uint16) (text string, ok bool) {
	raw := content(f, values)
	v, err := f.Decode(raw)
	switch {
	case err == nil:
		text = number(v).String() // a replay keeps all digits, too
		v, err = register.Parse([]byte(text))
	case errors.Is(err, register.ErrNoData):
		err = nil
	}
	if err != nil {
		return "", false
	}
	back, err := f.AppendData(nil, v)
	return text, err == nil && slices.Equal(back, raw)
}

// number returns a number itself, 0 or 1 for what is off or on.
func number(v register.Value) register.Value {
	if _, isBool := v.Bool(); isBool {
		return register.Number(v.Float())
	}
	return v
}

// content returns the contents of a field's addresses as the data of a reply.
func content(f register.Field, values []uint16) []byte {
	if !f.Table.IsBits() {
		return modbus.AppendRegisters(nil, values...)
	}
	on := make([]bool, len(values))
	for i, v := range values {
		on[i] = v != 0
	}
	return modbus.AppendBits(nil, on)
}

// words are the tables in configurations.
var words = map[modbus.Table]string{
	modbus.Coils: "coil", modbus.DiscreteInputs: "discrete", modbus.HoldingRegisters: "holding", modbus.InputRegisters: "input",
}

// TableName returns a table's word in configurations.
func TableName(t modbus.Table) string { return words[t] }
