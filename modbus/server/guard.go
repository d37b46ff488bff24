package server

import (
	"fmt"

	"modferry/modbus"
)

// Guard says what may be written to some addresses of a device and what follows.
// Its functions are called with the device locked: they must not use the device,
// only the tables they are given.
type Guard struct {
	Span modbus.Span // within addresses without a gap; no two guards may overlap

	// ReadOnly answers every write with exception 02.
	ReadOnly bool

	// Check judges the whole span as it would be after a write, which may only touch
	// a part of it. It may put other values in. A result other than 0 is the
	// exception; then nothing of the request is written. It must change nothing else.
	Check func(values []uint16) (exception byte)

	// Wrote is called after a request has written at least a part of the span.
	Wrote func(t *Tables)
}

type guard struct {
	Guard
	block *block
}

// at returns where the guard's span begins in its block.
func (g *guard) at() int { return int(g.Span.Address) - g.block.start }

func (t *Tables) guard(o Guard) error {
	if o.Span.Table < modbus.Coils || o.Span.Table > modbus.InputRegisters || o.Span.Quantity < 1 {
		return fmt.Errorf("a guard needs a table and at least one address")
	}
	b := t.find(o.Span)
	if b == nil {
		return fmt.Errorf("cannot guard %d %s from address %d: the device does not have them without a gap", o.Span.Quantity, o.Span.Table, o.Span.Address)
	}
	if b.guards == nil {
		b.guards = make([]*guard, len(b.values))
	}
	g := &guard{o, b}
	for i := range o.Span.Quantity {
		if b.guards[g.at()+i] != nil {
			return fmt.Errorf("%s have two guards at address %d", o.Span.Table, int(o.Span.Address)+i)
		}
		b.guards[g.at()+i] = g
	}
	return nil
}

// write writes values from an address of the block on, all or none.
func (t *Tables) write(b *block, address uint16, values []uint16) (exception byte) {
	from := int(address) - b.start
	to := from + len(values)
	if b.guards == nil {
		copy(b.values[from:to], values)
		return 0
	}
	touched := b.touched(from, to)
	lo, hi := from, to
	for _, g := range touched {
		lo, hi = min(lo, g.at()), max(hi, g.at()+g.Span.Quantity)
	}
	staged := append(make([]uint16, 0, hi-lo), b.values[lo:hi]...)
	copy(staged[from-lo:], values)
	for _, g := range touched {
		at := g.at() - lo
		if exception := g.judge(staged[at : at+g.Span.Quantity]); exception != 0 {
			return exception
		}
	}
	copy(b.values[lo:hi], staged)
	for _, g := range touched {
		if g.Wrote != nil {
			g.Wrote(t)
		}
	}
	return 0
}

// touched returns the guards of from to to in the order of their addresses; the
// read-only ones come first, as an address is judged before any value.
func (b *block) touched(from, to int) []*guard {
	var readOnly, others []*guard
	var last *guard
	for _, g := range b.guards[from:to] {
		switch {
		case g == nil || g == last:
		case g.ReadOnly:
			readOnly = append(readOnly, g)
		default:
			others = append(others, g)
		}
		last = g
	}
	return append(readOnly, others...)
}

func (g *guard) judge(values []uint16) byte {
	switch {
	case g.ReadOnly:
		return modbus.IllegalDataAddress
	case g.Check != nil:
		return g.Check(values)
	}
	return 0
}
