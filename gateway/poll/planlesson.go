package poll

import (
	"math"
	"slices"

	"modferry/modbus"
)

// lesson is what a device taught about the reads it takes, beyond its configuration.
// The zero value is that of a device that takes them all.
type lesson struct {
	Holes     []hole `json:"holes,omitempty"`
	Registers int    `json:"registers,omitempty"` // at most in one request; 0 = as configured
	Bits      int    `json:"bits,omitempty"`      // likewise
}

// hole is a run of addresses that a joined read must not have all of: what two
// readings take and what lies between them, or a reading that is refused even alone.
type hole struct {
	Table    modbus.Table `json:"table"`
	Address  uint16       `json:"address"`
	Quantity int          `json:"quantity"`
}

func holeOf(s modbus.Span) hole { return hole{s.Table, s.Address, s.Quantity} }

func (h hole) end() int { return int(h.Address) + h.Quantity }

func (h hole) within(o hole) bool {
	return h.Table == o.Table && h.Address >= o.Address && h.end() <= o.end()
}

// valid reports whether a device can have such a hole; a damaged file may say anything.
func (h hole) valid() bool {
	most := modbus.MaxReadRegisters
	if inBits(h.Table) {
		most = modbus.MaxReadBits
	}
	return h.Table >= modbus.Coils && h.Table <= modbus.InputRegisters && h.Quantity > 0 && h.Quantity <= most && h.end() <= modbus.AddressSpace
}

func (l *lesson) isHole(s modbus.Span) bool { return slices.Contains(l.Holes, holeOf(s)) }

// fence returns the end at which a joined read that begins like s has all of a hole.
func (l *lesson) fence(s modbus.Span) int {
	fence := math.MaxInt
	for _, h := range l.Holes {
		if h.Table == s.Table && h.Address >= s.Address {
			fence = min(fence, h.end())
		}
	}
	return fence
}

// add learns a hole. Wider ones that have all of it say nothing more.
func (l *lesson) add(h hole) {
	l.Holes = slices.DeleteFunc(l.Holes, h.within)
	l.Holes = append(l.Holes, h)
}

func (l *lesson) drop(h hole) {
	l.Holes = slices.DeleteFunc(l.Holes, func(o hole) bool { return o == h })
}

// limit returns what was learned of how much of a table one request may read; 0 = nothing.
func (l *lesson) limit(t modbus.Table) *int {
	if inBits(t) {
		return &l.Bits
	}
	return &l.Registers
}

// most returns the lower of the configured limit and the learned one.
func (l *lesson) most(t modbus.Table, configured int) int {
	if n := *l.limit(t); n > 0 {
		return min(n, configured)
	}
	return configured
}

func (l *lesson) isEmpty() bool { return len(l.Holes) == 0 && l.Registers == 0 && l.Bits == 0 }

func (l *lesson) equal(o lesson) bool {
	return l.Registers == o.Registers && l.Bits == o.Bits && slices.Equal(l.Holes, o.Holes)
}

// valid reports whether a device can have taught this.
func (l *lesson) valid() bool {
	return l.Registers >= 0 && l.Bits >= 0 && !slices.ContainsFunc(l.Holes, func(h hole) bool { return !h.valid() })
}

func (l lesson) clone() lesson {
	l.Holes = slices.Clone(l.Holes)
	return l
}
