package replay

import (
	"cmp"
	"math"
	"slices"
	"time"

	"modferry/modbus/register"
)

// Replay shows recorded values, one after the other.
type Replay struct {
	*column
	*timeline
	speed float64
	loop  bool
}

// column are the values of a column of a file.
type column struct {
	values []float64   // NaN: there was none
	exact  []exactCell // of those that are no float64, by row
}

// exactCell is a number that has more digits than a float64.
type exactCell struct {
	row   int
	value register.Value
}

// timeline is when each row of a file is valid, counted from the first.
type timeline struct {
	times []time.Duration // nil: a row is valid for every
	every time.Duration
	rows  int
	over  time.Duration // when it begins again
}

// row returns the row that is shown so long after the start.
func (r *Replay) row(elapsed time.Duration) int {
	when := float64(elapsed) * r.speed
	if r.loop {
		when = math.Mod(when, float64(r.over))
	}
	if r.times == nil {
		return int(min(when/float64(r.every), float64(r.rows-1)))
	}
	i, found := slices.BinarySearchFunc(r.times, when, func(t time.Duration, when float64) int { return cmp.Compare(float64(t), when) })
	for found && i+1 < len(r.times) && r.times[i+1] == r.times[i] {
		i++ // the last of several at one time
	}
	if !found {
		i--
	}
	return max(0, i)
}

// At returns the value so long after the start.
func (r *Replay) At(elapsed time.Duration) float64 { return r.values[r.row(elapsed)] }

// Exactly returns the value so long after the start with all of its digits, if it is
// number, which then was not changed on its way.
func (r *Replay) Exactly(elapsed time.Duration, number float64) (register.Value, bool) {
	if len(r.exact) == 0 {
		return register.Value{}, false
	}
	row := r.row(elapsed)
	i, found := slices.BinarySearchFunc(r.exact, row, func(c exactCell, row int) int { return cmp.Compare(c.row, row) })
	if !found || r.values[row] != number {
		return register.Value{}, false
	}
	return r.exact[i].value, true
}
