package poll

import (
	"math"

	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// grain is what binary fractions may be off by where a value moved by just its deadband.
const grain = 1e-9

// isBeyond reports whether b is as far from a as the deadband or further.
func isBeyond(d profile.Deadband, a, b register.Value) bool {
	if a.Equal(b) {
		return false
	}
	if d == (profile.Deadband{}) || !a.IsNumber() || !b.IsNumber() {
		return d == (profile.Deadband{}) || !isBlock(a) || !isBlock(b) || isAnyBeyond(d, a.Items(), b.Items())
	}
	moved := math.Abs(b.Float() - a.Float())
	far := func(distance float64) bool { return moved >= distance*(1-grain) }
	return d.Absolute > 0 && far(d.Absolute) || d.Percent > 0 && far(math.Abs(a.Float())*d.Percent/100)
}

func isBlock(v register.Value) bool { return v.Items() != nil }

// isAnyBeyond: a block has moved where one of its values has.
func isAnyBeyond(d profile.Deadband, a, b []register.Value) bool {
	for i := range min(len(a), len(b)) {
		if isBeyond(d, a[i], b[i]) {
			return true
		}
	}
	return len(a) != len(b)
}
