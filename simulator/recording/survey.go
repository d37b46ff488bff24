package recording

import (
	"context"
	"fmt"
	"slices"

	"modferry/modbus"
)

// maxSilent is at how many single parts a device may be silent before the survey
// gives up: each of them costs two timeouts.
const maxSilent = 16

// Hole are neighbouring addresses that the device does not have.
type Hole struct {
	Table     modbus.Table
	First     uint16
	Last      uint16
	Exception byte // that a read is answered with; 0 = with nothing
}

// survey finds out what the device has of the parts, by halving what it refuses.
type survey struct {
	*Recorder
	ctx      context.Context
	good     []*block
	answered bool // ever
	silent   int
}

// survey returns the blocks, each with its first values.
func (r *Recorder) survey(ctx context.Context, parts []part) ([]*block, error) {
	s := &survey{Recorder: r, ctx: ctx}
	for _, run := range runs(parts, r.most) {
		if _, err := s.probe(run); err != nil {
			return nil, err
		}
	}
	if len(s.good) == 0 {
		return nil, fmt.Errorf("unit %d refuses all that was asked for, first with %w: check the ranges (many manuals count from 1) and the table",
			r.o.Unit, &refusal{r.holes[0].Exception})
	}
	return s.joined()
}

// probe reads a run of parts; all reports whether the device has all of it.
func (s *survey) probe(run []part) (all bool, err error) {
	whole := span(run)
	if s.lost[whole.Table] {
		s.hole(whole, modbus.IllegalFunction)
		return false, nil
	}
	if whole.Quantity > s.most(whole.Table) && len(run) > 1 { // learnt meanwhile
		return s.each(runs(run, s.most))
	}
	values, err := s.patient(whole)
	code := refused(err)
	switch {
	case err == nil:
		s.o.Progress(Progress{Reading: whole})
		s.good = append(s.good, newBlock(run, values))
		return true, nil
	case s.ctx.Err() != nil:
		return false, s.ctx.Err()
	case code == silent && !s.answered:
		return false, err
	case code == modbus.IllegalFunction:
		s.lost[whole.Table] = true
		s.hole(whole, code)
		return false, nil
	case len(run) > 1:
		return s.halves(run, code)
	}
	if code == silent {
		if s.silent++; s.silent > maxSilent {
			return false, fmt.Errorf("unit %d is silent at more than %d addresses, the last is %d of the %s: give ranges that it has",
				s.o.Unit, maxSilent, whole.Address, whole.Table)
		}
	}
	s.hole(whole, code)
	return false, nil
}

// patient reads with a second try, as a line may lose a frame.
func (s *survey) patient(whole modbus.Span) (values []uint16, err error) {
	for range 2 {
		values, err = s.read(s.ctx, whole)
		if err == nil || refused(err) != silent {
			s.answered = true
			return values, err
		}
		if s.ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, err
}

func (s *survey) each(all [][]part) (bool, error) {
	every := true
	for _, run := range all {
		ok, err := s.probe(run)
		if err != nil {
			return false, err
		}
		every = every && ok
	}
	return every, nil
}

// halves probes both halves of what was refused. If the device has both, what it
// refuses is the quantity.
func (s *survey) halves(run []part, code byte) (bool, error) {
	middle := len(run) / 2
	all, err := s.each([][]part{run[:middle], run[middle:]})
	if err != nil || !all || code == silent {
		return all, err
	}
	whole := span(run)
	if known := s.limits[whole.Table]; known.most > 0 && known.most < whole.Quantity {
		return true, nil
	}
	return true, s.quantity(whole, span(run[:middle]).Quantity, code)
}

// quantity finds the greatest that the device answers, from good up to what it refused.
func (s *survey) quantity(whole modbus.Span, good int, code byte) error {
	bad := whole.Quantity
	for bad-good > 1 {
		whole.Quantity = (good + bad) / 2
		_, err := s.patient(whole)
		switch {
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		case err == nil:
			good = whole.Quantity
		default:
			bad = whole.Quantity
		}
	}
	s.limits[whole.Table] = quantityLimit{good, code}
	return nil
}

// quantityLimit is the most that a device lets be read at once, and the exception
// for more.
type quantityLimit struct {
	most      int
	exception byte
}

// most returns how much of a table one request may read.
func (r *Recorder) most(t modbus.Table) int {
	if l := r.limits[t]; l.most > 0 {
		return l.most
	}
	registers, bits := modbus.MaxReadRegisters, modbus.MaxReadBits
	if p := r.o.Profile; p != nil && p.Limits.Registers > 0 && p.Limits.Bits > 0 {
		registers, bits = p.Limits.Registers, p.Limits.Bits
	}
	if t.IsBits() {
		return bits
	}
	return registers
}

func (r *Recorder) hole(s modbus.Span, code byte) {
	last := uint16(s.End() - 1)
	if n := len(r.holes); n > 0 {
		if h := &r.holes[n-1]; h.Table == s.Table && h.Exception == code && int(h.Last)+1 == int(s.Address) {
			h.Last = last
			return
		}
	}
	r.holes = append(r.holes, Hole{s.Table, s.Address, last, code})
}

// joined makes one block of neighbouring ones where the device answers that.
func (s *survey) joined() ([]*block, error) {
	all := s.good[:1]
	for _, b := range s.good[1:] {
		last := all[len(all)-1]
		both := slices.Concat(last.parts, b.parts)
		whole := span(both)
		if last.Table != b.Table || last.End() != int(b.Address) || whole.Quantity > s.most(b.Table) {
			all = append(all, b)
			continue
		}
		values, err := s.patient(whole)
		switch {
		case s.ctx.Err() != nil:
			return nil, s.ctx.Err()
		case err != nil:
			all = append(all, b)
		default:
			all[len(all)-1] = newBlock(both, values)
		}
	}
	return all, nil
}
