package server

import (
	"cmp"
	"fmt"
	"slices"

	"modferry/modbus"
)

// Tables are the four tables of a device, with the addresses that it has. Bits are
// kept as 0 and 1. Tables are not safe for concurrent use; a [Device] guards its own.
type Tables struct {
	blocks [modbus.InputRegisters + 1][]*block // by table, sorted, with a gap between any two
}

// block is a run of addresses without a gap.
type block struct {
	start  int
	values []uint16
	guards []*guard // by address, nil if the block has none
}

func (b *block) end() int { return b.start + len(b.values) }

// NewTables returns tables with the addresses of the spans, all 0. Spans may touch
// and overlap. Error: a span that is none.
func NewTables(spans ...modbus.Span) (*Tables, error) {
	t := new(Tables)
	for _, s := range spans {
		if s.Table < modbus.Coils || s.Table > modbus.InputRegisters || s.Quantity < 1 || s.End() > modbus.AddressSpace {
			return nil, fmt.Errorf("%d %s from address %d: no device can have these", s.Quantity, s.Table, s.Address)
		}
		t.blocks[s.Table] = append(t.blocks[s.Table], &block{start: int(s.Address), values: make([]uint16, s.Quantity)})
	}
	for i := range t.blocks {
		t.blocks[i] = merge(t.blocks[i])
	}
	return t, nil
}

func merge(blocks []*block) []*block {
	slices.SortFunc(blocks, func(a, b *block) int { return cmp.Compare(a.start, b.start) })
	var merged []*block
	for _, b := range blocks {
		if n := len(merged) - 1; n >= 0 && b.start <= merged[n].end() {
			last := merged[n]
			last.values = append(last.values, make([]uint16, max(0, b.end()-last.end()))...)
		} else {
			merged = append(merged, b)
		}
	}
	return merged
}

// find returns the block that has all of the span, nil if there is none.
func (t *Tables) find(s modbus.Span) *block {
	blocks := t.blocks[s.Table]
	i, found := slices.BinarySearchFunc(blocks, int(s.Address), func(b *block, address int) int { return cmp.Compare(b.start, address) })
	if !found {
		i--
	}
	if i < 0 || s.End() > blocks[i].end() {
		return nil
	}
	return blocks[i]
}

// slice returns the contents of a span, nil if the device does not have all of it.
func (t *Tables) slice(s modbus.Span) []uint16 {
	b := t.find(s)
	if b == nil {
		return nil
	}
	at := int(s.Address) - b.start
	return b.values[at : at+s.Quantity]
}

// Get returns the content of one address; ok is false if the device does not have it.
func (t *Tables) Get(table modbus.Table, address uint16) (value uint16, ok bool) {
	if s := t.slice(modbus.Span{Table: table, Address: address, Quantity: 1}); s != nil {
		return s[0], true
	}
	return 0, false
}

// Set sets the contents from address on, whatever guards them. It is not ok, and
// sets nothing, if the device does not have all of these addresses.
func (t *Tables) Set(table modbus.Table, address uint16, values ...uint16) (ok bool) {
	s := t.slice(modbus.Span{Table: table, Address: address, Quantity: len(values)})
	if s == nil {
		return false
	}
	copy(s, values)
	return true
}
