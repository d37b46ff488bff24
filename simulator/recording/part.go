package recording

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// part is what is read whole: a register of a profile, or one address or several of
// which nothing more is known.
type part struct {
	modbus.Span
	known *profile.Register // nil: nothing more is known
}

// parts returns what is to be recorded, sorted, nothing twice.
func parts(p *profile.Profile, spans []modbus.Span) ([]part, error) {
	all := known(p)
	for _, s := range spans {
		if s.Quantity < 1 || s.End() > modbus.AddressSpace {
			return nil, errors.New("a range lies from 0 to 65535 and does not end before it begins")
		}
		for a := int(s.Address); a < s.End(); a++ {
			all = append(all, part{Span: modbus.Span{Table: s.Table, Address: uint16(a), Quantity: 1}})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is nothing to record: name a profile or ranges of addresses")
	}
	slices.SortStableFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Address, b.Address), -cmp.Compare(a.Quantity, b.Quantity))
	})
	return merged(all), nil
}

// known returns the registers of a profile, and the readings that lie elsewhere.
func known(p *profile.Profile) (all []part) {
	if p == nil {
		return nil
	}
	for _, r := range p.Registers {
		all = append(all, part{r.Span(), &r})
	}
	for _, r := range p.Readings {
		if r.Compute != "" || slices.ContainsFunc(p.Registers, func(d profile.Register) bool { return covers(d.Span(), r.Span()) }) {
			continue
		}
		one := part{Span: r.Span()}
		if !r.IsPart() {
			one.known = &profile.Register{Name: r.Name, Field: r.Field, Min: math.Inf(-1), Max: math.Inf(1)}
			one.known.Names, one.known.Flags = nil, nil
		}
		all = append(all, one)
	}
	return all
}

func covers(outer, inner modbus.Span) bool {
	return outer.Table == inner.Table && outer.Address <= inner.Address && outer.End() >= inner.End()
}

// merged leaves out what lies in another part, and makes one of those that overlap.
func merged(sorted []part) (all []part) {
	for _, p := range sorted {
		if len(all) == 0 {
			all = append(all, p)
			continue
		}
		switch last := &all[len(all)-1]; {
		case last.Table != p.Table || last.End() <= int(p.Address):
			all = append(all, p)
		case last.Span == p.Span && last.known == nil:
			last.known = p.known
		case !covers(last.Span, p.Span):
			last.known, last.Quantity = nil, p.End()-int(last.Address)
		}
	}
	return all
}

// span returns what reading neighbouring parts with one request touches.
func span(parts []part) modbus.Span {
	s := parts[0].Span
	s.Quantity = parts[len(parts)-1].End() - int(s.Address)
	return s
}

// runs cuts sorted parts where there is an address between them, and where one
// request would read more than most.
func runs(parts []part, most func(modbus.Table) int) (all [][]part) {
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].Table == parts[0].Table && int(parts[n].Address) == parts[n-1].End() &&
			parts[n].End()-int(parts[0].Address) <= most(parts[0].Table) {
			n++
		}
		all, parts = append(all, parts[:n]), parts[n:]
	}
	return all
}
