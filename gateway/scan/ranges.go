package scan

import (
	"cmp"
	"errors"
	"slices"

	"modferry/modbus"
)

// sweep looks for what can be read in the ranges that were asked for; each has its
// share of the requests, and what the ones before it left.
func (e *explorer) sweep() error {
	windows := windows(e.o.Ranges)
	whole := e.left
	for i, w := range windows {
		share := whole / (len(windows) - i)
		e.left = share
		err := e.halve(w, false)
		whole -= share - e.left
		if err != nil && !errors.Is(err, errSpent) {
			return err
		}
		e.unit.Partly = e.unit.Partly || err != nil
	}
	e.left = whole
	return nil
}

// windows cuts ranges into what one request may read.
func windows(ranges []modbus.Span) []modbus.Span {
	var all []modbus.Span
	for _, r := range ranges {
		most := modbus.MaxReadRegisters
		if r.Table.IsBits() {
			most = modbus.MaxReadBits
		}
		for at := int(r.Address); at < r.End(); at += most {
			all = append(all, modbus.Span{Table: r.Table, Address: uint16(at), Quantity: min(most, r.End()-at)})
		}
	}
	return all
}

// halve finds what of a span can be read. One that is known to be refused as a whole
// is not asked for.
func (e *explorer) halve(s modbus.Span, refused bool) error {
	if !refused || s.Quantity == 1 {
		if ok, err := e.read(s); ok || err != nil {
			return err
		}
	}
	if e.lost[s.Table] || s.Quantity == 1 {
		return nil
	}
	middle := s.Quantity / 2
	if middle > 2 {
		middle &^= 1 // values of two registers mostly begin at even addresses, and some devices give them whole only
	}
	left, right := s, s
	left.Quantity = middle
	right.Address, right.Quantity = s.Address+uint16(middle), s.Quantity-middle
	if err := e.halve(left, false); err != nil {
		return err
	}
	_, whole := e.known(left)
	return e.halve(right, whole) // if the left half is all there, what was refused is in the right one
}

// ranges returns what can be read.
func (e *explorer) ranges() []Range {
	var cells []cell
	for c, ok := range e.cells {
		if ok {
			cells = append(cells, c)
		}
	}
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Or(cmp.Compare(b.table, a.table), cmp.Compare(a.address, b.address)) })
	var all []Range
	for _, c := range cells {
		if n := len(all); n > 0 && all[n-1].Table == c.table && int(all[n-1].Last)+1 == c.address {
			all[n-1].Last++
			continue
		}
		all = append(all, Range{c.table, uint16(c.address), uint16(c.address)})
	}
	return all
}
