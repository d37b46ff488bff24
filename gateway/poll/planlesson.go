package poll

import (
	"math"
	"slices"

	"modferry/modbus"
)

// lesson is what a device taught about the reads it takes, beyond its configuration.
// The zero value is that of a device that takes them all. No joined read has all of a
// hole, or of a reading that is refused.
type lesson struct {
	Holes     []hole `json:"holes,omitempty"`     // what two neighbours take and what lies between them, where they are refused together
	Refused   []hole `json:"refused,omitempty"`   // what single readings take that are refused even alone
	Registers int    `json:"registers,omitempty"` // at most in one request; 0 = as configured
	Bits      int    `json:"bits,omitempty"`      // likewise
}

// hole is a run of addresses.
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

func (h hole) equal(o hole) bool { return h == o }

// valid reports whether a device can have such a hole; a damaged file may say anything.
func (h hole) valid() bool {
	most := modbus.MaxReadRegisters
	if h.Table.IsBits() {
		most = modbus.MaxReadBits
	}
	return h.Table >= modbus.Coils && h.Table <= modbus.InputRegisters && h.Quantity > 0 && h.Quantity <= most && h.end() <= modbus.AddressSpace
}

// refuses reports whether a reading is refused even alone.
func (l *lesson) refuses(s modbus.Span) bool {
	return len(l.Refused) > 0 && slices.Contains(l.Refused, holeOf(s))
}

// fence returns the end at which a joined read that begins like s has all of a hole.
func (l *lesson) fence(s modbus.Span) int {
	fence := math.MaxInt
	for _, holes := range [][]hole{l.Holes, l.Refused} {
		for _, h := range holes {
			if h.Table == s.Table && h.Address >= s.Address {
				fence = min(fence, h.end())
			}
		}
	}
	return fence
}

// part learns that two neighbours are refused together. Wider holes that have all of
// that say nothing more.
func (l *lesson) part(h hole) { l.Holes = append(slices.DeleteFunc(l.Holes, h.within), h) }

// refuse learns that a reading is refused even alone.
func (l *lesson) refuse(h hole) {
	l.Holes = slices.DeleteFunc(l.Holes, h.within)
	l.Refused = append(l.Refused, h)
}

// join and accept are the opposites of part and refuse.
func (l *lesson) join(h hole) { l.Holes = slices.DeleteFunc(l.Holes, h.equal) }

func (l *lesson) accept(h hole) { l.Refused = slices.DeleteFunc(l.Refused, h.equal) }

// limit returns what was learned of how much of a table one request may read; 0 = nothing.
func (l *lesson) limit(t modbus.Table) *int {
	if t.IsBits() {
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

func (l *lesson) isEmpty() bool { return l.equal(lesson{}) }

func (l *lesson) equal(o lesson) bool {
	return l.Registers == o.Registers && l.Bits == o.Bits && slices.Equal(l.Holes, o.Holes) && slices.Equal(l.Refused, o.Refused)
}

// valid reports whether a device can have taught this.
func (l *lesson) valid() bool {
	for _, h := range slices.Concat(l.Holes, l.Refused) {
		if !h.valid() {
			return false
		}
	}
	return l.Registers >= 0 && l.Bits >= 0
}

func (l lesson) clone() lesson {
	l.Holes, l.Refused = slices.Clone(l.Holes), slices.Clone(l.Refused)
	return l
}
