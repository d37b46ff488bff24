// Package tally counts the transactions of a bus: for each unit those of people and
// those of polls, by what became of them, how long they took, and how many there were
// lately.
//
// Counters count from the start of the process and are read with [Bus.Snapshot]. Adding a
// transaction allocates only for the first one of a unit; each unit takes less than a kilobyte.
package tally

import (
	"sync/atomic"
	"time"

	"modferry/gateway/bus"
)

// Window is what [Lately] is about: so many whole seconds before the present one.
const Window = 10

// Bounds are the upper bounds of the classes of a [Histogram]; above them there is one more.
var Bounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// Counts are transactions by what became of them.
type Counts [bus.Outcomes]uint64

// Total returns how many there are.
func (c Counts) Total() (n uint64) {
	for _, of := range c {
		n += of
	}
	return n
}

// Add returns the sum of both.
func (c Counts) Add(other Counts) Counts {
	for i := range c {
		c[i] += other[i]
	}
	return c
}

// Bus counts the transactions of one bus. The zero value is ready. All of it may be
// used by several goroutines at once.
type Bus struct {
	units  [256]atomic.Pointer[unit]
	recent recent
}

// Add counts a transaction.
func (b *Bus) Add(t bus.Transaction) {
	u := b.units[t.Unit].Load()
	if u == nil {
		b.units[t.Unit].CompareAndSwap(nil, &unit{})
		u = b.units[t.Unit].Load()
	}
	u.add(t)
	b.recent.add(second(t.Start.Add(t.Elapsed)), t.Elapsed)
}

// Snapshot is a bus at one moment.
type Snapshot struct {
	Units  []Unit // those that were asked, in their order
	Lately Lately
}

// Snapshot returns the counters of now.
func (b *Bus) Snapshot(now time.Time) Snapshot {
	s := Snapshot{Lately: b.recent.sum(second(now))}
	for id := range b.units {
		if u := b.units[id].Load(); u != nil {
			s.Units = append(s.Units, u.snapshot(byte(id), now))
		}
	}
	return s
}

// Unit is a unit at one moment.
type Unit struct {
	Unit       byte
	Polls      Counts
	Requests   Counts          // of people
	Exceptions map[byte]uint64 // by the device's exception code
	Latency    Histogram       // of good replies and exceptions
	Answered   time.Time       // the last reply; zero = never
	Failed     time.Time       // the last transaction without one; zero = never
	Failure    bus.Outcome     // of that one
	Lately     Lately
}

// Histogram tells how long replies took.
type Histogram struct {
	Classes [len(Bounds) + 1]uint64 // transactions up to each bound and above the one before
	Sum     time.Duration
}

// Count returns how many there are.
func (h Histogram) Count() (n uint64) {
	for _, of := range h.Classes {
		n += of
	}
	return n
}

// Quantile returns the bound that a share q of all, 0 to 1, does not exceed; 0 if there
// are none, and the greatest bound for what is above it.
func (h Histogram) Quantile(q float64) time.Duration {
	want, seen := q*float64(h.Count()), 0.0
	for i, of := range h.Classes {
		if seen += float64(of); of > 0 && seen >= want {
			return Bounds[min(i, len(Bounds)-1)]
		}
	}
	return 0
}

// Lately are the transactions of the last [Window] seconds.
type Lately struct {
	Transactions uint64
	Busy         time.Duration // how long they took together
}

// Rate returns transactions per second.
func (l Lately) Rate() float64 { return float64(l.Transactions) / Window }

// Utilisation returns the share of the time in which the line was in use, 0 to 1, where
// up to inFlight transactions may be under way at once.
func (l Lately) Utilisation(inFlight int) float64 {
	return min(1, l.Busy.Seconds()/Window/float64(max(1, inFlight)))
}

func second(t time.Time) int64 { return t.Unix() }
