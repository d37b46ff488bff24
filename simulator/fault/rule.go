package fault

import (
	"slices"
	"time"

	"modferry/modbus"
	"modferry/simulator/chance"
	"modferry/simulator/match"
)

// means reports whether what the fault does means something on such a face.
func (f *Fault) means(k match.Kind) bool {
	switch {
	case len(f.Faces) > 0 && !slices.Contains(f.Faces, k.Name):
		return false
	case f.BadCheck && k.Framing != modbus.RTU && k.Framing != modbus.ASCII:
		return false
	case f.WrongTransaction != 0 && k.Framing != modbus.TCP:
		return false
	}
	return k.Closes || !f.Close
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
		codes, _ := match.Functions(word) // it was checked
		for code, is := range codes {
			r.functions[code] = r.functions[code] || is
		}
	}
	return r
}

// Asked is a request as faults look at it.
type Asked struct {
	match.Kind // of the face that it came by
	Unit       byte
	Request    modbus.PDU
	There      bool // a device is there that would answer
	Now        time.Time
}

// concerns reports whether the request is one of those that the fault is about.
func (r *rule) concerns(q Asked) bool {
	code := q.Request.FunctionCode
	switch {
	case !r.means(q.Kind):
	case len(r.Units) == 0 && !q.There, len(r.Units) > 0 && !match.Within(r.Units, int(q.Unit), int(q.Unit)+1):
	case len(r.Functions) > 0 && (code > 127 || !r.functions[code]):
	case r.Short > 0 && !canBeShort(code):
	case len(r.Addresses) > 0 && !r.touched(q.Request):
	case len(r.Quantities) > 0 && !r.asksFor(q.Request):
	default:
		return r.inTime(q.Now)
	}
	return false
}

// touched reports whether a request touches one of the fault's addresses.
func (r *rule) touched(request modbus.PDU) bool {
	return slices.ContainsFunc(match.Touches(request), func(s modbus.Span) bool { return match.Within(r.Addresses, int(s.Address), s.End()) })
}

// asksFor reports whether a request is for one of the fault's quantities.
func (r *rule) asksFor(request modbus.PDU) bool {
	spans := match.Touches(request)
	return len(spans) > 0 && match.Within(r.Quantities, spans[0].Quantity, spans[0].Quantity+1)
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
		r.Probability > 0 && chance.Of(r.Name, r.Seed, int64(r.matched)) >= r.Probability:
		return false
	}
	r.applied++
	return true
}

// canBeShort reports whether a function's reply is a byte count and what was read.
func canBeShort(code byte) bool {
	switch code {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		return true
	}
	return false
}
