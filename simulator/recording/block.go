package recording

import (
	"slices"

	"modferry/modbus"
)

// block is what is read with one request, and what was read.
type block struct {
	modbus.Span
	parts   []part
	changes []change // the first is of row 0
	moved   []bool   // per address
	moving  int      // how many of them
}

// change is what a block holds from a row on.
type change struct {
	row    int
	values []uint16
}

func newBlock(parts []part, values []uint16) *block {
	return &block{Span: span(parts), parts: parts, changes: []change{{0, values}}, moved: make([]bool, len(values))}
}

func (b *block) last() []uint16 { return b.changes[len(b.changes)-1].values }

// hold notes what the block holds from a row on, and returns how many bytes that took.
func (b *block) hold(row int, values []uint16) int {
	last := b.last()
	if slices.Equal(last, values) {
		return 0
	}
	if row == 0 { // the survey's are older
		b.changes[0].values = values
		return 0
	}
	for i, v := range values {
		if v != last[i] && !b.moved[i] {
			b.moved[i] = true
			b.moving++
		}
	}
	b.changes = append(b.changes, change{row, values})
	return changeSize + 2*len(values)
}

// changeSize is what a change takes beside its values.
const changeSize = 32

// moves reports whether a part of the block changed.
func (b *block) moves(p part) bool {
	at := int(p.Address) - int(b.Address)
	return slices.Contains(b.moved[at:at+p.Quantity], true)
}

// of returns what a part holds at a change.
func (b *block) of(p part, c change) []uint16 {
	at := int(p.Address) - int(b.Address)
	return c.values[at : at+p.Quantity]
}
