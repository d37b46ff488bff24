package scan

import (
	"context"
	"errors"
	"slices"
	"time"

	"modferry/modbus"
)

const (
	leastPatience = 200 * time.Millisecond // for a unit that is there and may have more to do than for the search
	latePatience  = 4                      // times the timeout, for a unit that answered late
	maxSilent     = 6                      // reads that a unit does not answer, until a table is left alone
	profileShare  = 2                      // at most one in so many requests goes to places that profiles know
)

// errSpent: the unit had all requests that it may have.
var errSpent = errors.New("there are no more requests to make")

// cell is one address of a table.
type cell struct {
	table   modbus.Table
	address int
}

// explorer looks at one unit.
type explorer struct {
	*scanner
	ctx      context.Context
	unit     *Unit
	patience time.Duration
	left     int                   // requests that may be made
	lost     map[modbus.Table]bool // tables that the unit does not have, or is silent at
	silent   map[modbus.Table]int  // reads that it did not answer
	cells    map[cell]bool         // what can be read, and what cannot
	values   map[cell]uint16       // of what can

	noFunction bool // the last inquiry was answered so that another of its kind is of no use
}

// explore fills in what there is to know of a unit. An error ends the scan.
func (s *scanner) explore(ctx context.Context, u *Unit) error {
	e := &explorer{
		scanner: s, ctx: ctx, unit: u, patience: max(s.o.Timeout, leastPatience), left: s.o.Requests,
		lost: map[modbus.Table]bool{}, silent: map[modbus.Table]int{}, cells: map[cell]bool{}, values: map[cell]uint16{},
	}
	if u.Late {
		e.patience = max(e.patience, latePatience*s.o.Timeout)
	}
	err := e.all()
	u.Ranges = e.ranges()
	if err != nil {
		u.Failed = err.Error()
	}
	if ctx.Err() != nil {
		u.Failed = "interrupted"
		return ctx.Err()
	}
	return err
}

func (e *explorer) all() error {
	if err := e.identify(); err != nil {
		return err
	}
	limit := e.left
	e.left = limit / profileShare
	candidates, err := e.candidates()
	if err != nil {
		return err
	}
	slices.SortStableFunc(candidates, byWeight)
	for _, c := range candidates[:min(1, len(candidates))] {
		if err := e.rest(c); err != nil && !errors.Is(err, errSpent) {
			return err
		}
	}
	e.left += limit - limit/profileShare
	if err := e.sweep(); err != nil {
		return err
	}
	e.judge(candidates)
	return nil
}

// ask makes one request, again where a frame was lost or something else had its turn. A
// nil exception and no error is a good answer; silence is an error for which isSilence.
func (e *explorer) ask(request modbus.PDU) (reply modbus.PDU, exception *modbus.Exception, err error) {
	silences := 0
	for range tries {
		if e.left <= 0 {
			return reply, nil, errSpent
		}
		e.left--
		e.report.Requests++
		reply, err = e.way.Ask(e.ctx, e.unit.Unit, request, e.patience)
		if e.ctx.Err() != nil {
			return reply, nil, e.ctx.Err()
		}
		exception = modbus.AsException(reply)
		busy := err == nil && exception != nil && (exception.ExceptionCode == modbus.ServerDeviceBusy || exception.ExceptionCode == modbus.Acknowledge)
		switch {
		case err == nil && !busy:
			return reply, exception, nil
		case err != nil && isSilence(err):
			if silences++; silences > 1 {
				return reply, nil, err
			}
			continue
		case err != nil && !passes(err):
			return reply, nil, err
		}
		e.o.Pause(e.ctx, betweenTry)
	}
	return reply, exception, err
}

// read reads a span, unless it is known what comes of it, and reports whether the unit
// lets it be read. Silence is a refusal. An error ends the exploration.
func (e *explorer) read(s modbus.Span) (ok bool, err error) {
	if e.lost[s.Table] {
		return false, nil
	}
	if known, ok := e.known(s); known {
		return ok, nil
	}
	request := modbus.ReadRequest(s.Table.ReadFunction(), s.Address, uint16(s.Quantity))
	reply, exception, err := e.ask(request)
	switch {
	case err != nil && isSilence(err):
		if e.silent[s.Table]++; e.silent[s.Table] > maxSilent {
			e.lost[s.Table] = true
		}
	case err != nil:
		return false, err
	case exception != nil && exception.ExceptionCode == modbus.IllegalFunction:
		e.lost[s.Table] = true
	case exception == nil && modbus.CheckReply(request, reply) == nil:
		e.keep(s, reply.Data[1:])
		return true, nil
	}
	if s.Quantity == 1 {
		e.cells[cell{s.Table, int(s.Address)}] = false
	}
	return false, nil
}

// known reports whether reading a span would tell nothing new, and what it would give.
func (e *explorer) known(s modbus.Span) (known, ok bool) {
	all := true
	for a := int(s.Address); a < s.End(); a++ {
		can, known := e.cells[cell{s.Table, a}]
		if known && !can {
			return true, false
		}
		all = all && known
	}
	return all, all
}

func (e *explorer) keep(s modbus.Span, data []byte) {
	for i := range s.Quantity {
		c := cell{s.Table, int(s.Address) + i}
		e.cells[c] = true
		if s.Table.IsBits() {
			e.values[c] = uint16(data[i/8] >> (i % 8) & 1)
		} else {
			e.values[c] = uint16(data[2*i])<<8 | uint16(data[2*i+1])
		}
	}
}

// data is what a span holds, as a reply has it.
func (e *explorer) data(s modbus.Span) []byte {
	var registers []uint16
	var bits []bool
	for a := int(s.Address); a < s.End(); a++ {
		v := e.values[cell{s.Table, a}]
		registers, bits = append(registers, v), append(bits, v == 1)
	}
	if s.Table.IsBits() {
		return modbus.AppendBits(nil, bits)
	}
	return modbus.AppendRegisters(nil, registers...)
}
