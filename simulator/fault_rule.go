package simulator

import (
	"slices"
	"time"

	"modferry/modbus"
)

// kind is what is known of a face: on which faults depend.
type kind struct {
	name    string // FaceTCP and so on
	framing modbus.Framing
	closes  bool // it has connections, which can be closed
}

// lineFraming returns the framing of serial lines and what stands for them.
func (s *Simulator) lineFraming() modbus.Framing {
	if s.framing == modbus.ASCII {
		return modbus.ASCII
	}
	return modbus.RTU
}

// means reports whether what the fault does means something on such a face.
func (k kind) means(f Fault) bool {
	switch {
	case len(f.Faces) > 0 && !slices.Contains(f.Faces, k.name):
		return false
	case f.BadCheck && k.framing != modbus.RTU && k.framing != modbus.ASCII:
		return false
	case f.WrongTransaction != 0 && k.framing != modbus.TCP:
		return false
	}
	return k.closes || !f.Close
}

// rule is a fault that was added, and what became of it. It is guarded by its faults.
type rule struct {
	Fault
	functions [128]bool
	added     time.Time
	matched   uint64 // requests that it could have concerned
	applied   uint64
}

func newRule(f Fault, now time.Time) *rule {
	r := &rule{Fault: f, added: now}
	for _, word := range f.Functions {
		codes, _ := functionCodes(word) // it was checked
		for code, is := range codes {
			r.functions[code] = r.functions[code] || is
		}
	}
	return r
}

// asked is a request as faults look at it.
type asked struct {
	kind
	unit    byte
	request modbus.PDU
	there   bool // a device is there that would answer
	now     time.Time
}

// concerns reports whether the request is one of those that the fault is about.
func (r *rule) concerns(q asked) bool {
	code := q.request.FunctionCode
	switch {
	case !q.means(r.Fault):
	case len(r.Units) == 0 && !q.there, len(r.Units) > 0 && !within(r.Units, int(q.unit), int(q.unit)+1):
	case len(r.Functions) > 0 && (code > 127 || !r.functions[code]):
	case r.Short > 0 && !canBeShort(code):
	case len(r.Addresses) > 0 && !r.touched(q.request):
	case len(r.Quantities) > 0 && !r.asksFor(q.request):
	default:
		return r.inTime(q.now)
	}
	return false
}

// touched reports whether a request touches one of the fault's addresses.
func (r *rule) touched(request modbus.PDU) bool {
	return slices.ContainsFunc(touches(request), func(s modbus.Span) bool { return within(r.Addresses, int(s.Address), s.End()) })
}

// asksFor reports whether a request is for one of the fault's quantities.
func (r *rule) asksFor(request modbus.PDU) bool {
	spans := touches(request)
	return len(spans) > 0 && within(r.Quantities, spans[0].Quantity, spans[0].Quantity+1)
}

// touches returns the spans of a request, none if its length is not that of its function.
func touches(request modbus.PDU) []modbus.Span {
	var whole [modbus.MaxPDU]byte
	whole[0] = request.FunctionCode
	n := copy(whole[1:], request.Data)
	if !modbus.HasRequestLength(whole[:1+n]) {
		return nil
	}
	return modbus.Spans(request)
}

// within reports whether any number from first to before end is in one of the ranges.
func within(ranges []Range, first, end int) bool {
	return slices.ContainsFunc(ranges, func(r Range) bool { return first <= r.Last && r.First < end })
}

func (r *rule) inTime(now time.Time) bool {
	age := now.Sub(r.added)
	return age >= r.After && !r.over(now)
}

// over reports whether the time of the fault is over.
func (r *rule) over(now time.Time) bool {
	return r.For > 0 && now.Sub(r.added) >= r.After+r.For || !r.Until.IsZero() && !now.Before(r.Until)
}

// spent reports whether the fault will concern no request any more.
func (r *rule) spent(now time.Time) bool {
	return r.Count > 0 && r.applied >= uint64(r.Count) || r.Nth > 0 && r.matched >= uint64(r.Nth) || r.over(now)
}

// strikes counts a request that the fault concerns, and decides whether it goes wrong.
func (r *rule) strikes() bool {
	if r.Count > 0 && r.applied >= uint64(r.Count) || r.Nth > 0 && r.matched >= uint64(r.Nth) {
		return false
	}
	r.matched++
	switch {
	case r.Nth > 0 && r.matched != uint64(r.Nth),
		r.Every > 0 && r.matched%uint64(r.Every) != 0,
		r.Probability > 0 && chance(r.Name, r.Seed, int64(r.matched)) >= r.Probability:
		return false
	}
	r.applied++
	return true
}

// chance returns a number from 0 to below 1 that depends on nothing but its arguments.
func chance(name string, seed uint64, n int64) float64 { return (noise(name, seed, n) + 1) / 2 }

// canBeShort reports whether a function's reply is a byte count and what was read.
func canBeShort(code byte) bool {
	switch code {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		return true
	}
	return false
}
