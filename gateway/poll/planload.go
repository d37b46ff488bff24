package poll

import (
	"cmp"
	"slices"
	"time"

	"modferry/gateway/config"
)

// Round is the reads that are made when the readings of some intervals are due, and
// those of the others are not.
type Round struct {
	Every     []time.Duration // the intervals, shortest first
	PerSecond float64         // how often that happens
	Reads     []Read
}

// Load is what polling asks of a line.
type Load struct {
	Requests float64 // a second
	Bytes    float64 // a second, of requests and replies
	Busy     float64 // the part of the time in which the line is taken; 1 = always
}

// Add adds what rounds ask of a line.
func (t *Load) Add(l Line, rounds []Round) {
	for _, round := range rounds {
		for _, r := range round.Reads {
			request, reply := l.Bytes(r.Table, r.Quantity)
			t.Requests += round.PerSecond
			t.Bytes += round.PerSecond * float64(request+reply)
			t.Busy += round.PerSecond * l.Time(r.Table, r.Quantity).Seconds()
		}
	}
}

// maxRounds bounds the rounds that are looked at until the intervals begin anew.
const maxRounds = 100_000

// Rounds returns the rounds of a device, the most frequent first, for a line that is
// fast enough and a device that refuses nothing.
func Rounds(d config.Device, l Line) []Round {
	p := newPlanner(d, l)
	next := make([]time.Duration, len(p.rates))
	var sets [][]int // of classes
	var counts []int
	for range maxRounds {
		if len(next) == 0 || next[0] > 0 && slices.Max(next) == slices.Min(next) {
			break
		}
		set := p.nextSet(next)
		i := slices.IndexFunc(sets, func(s []int) bool { return slices.Equal(s, set) })
		if i < 0 {
			i = len(sets)
			sets, counts = append(sets, set), append(counts, 0)
		}
		counts[i]++
	}
	rounds := make([]Round, len(sets))
	for i, set := range sets {
		slowest := p.rates[set[len(set)-1]] // it may be longer than what was looked at
		rounds[i] = Round{PerSecond: min(float64(counts[i])/slices.Min(next).Seconds(), 1/slowest.Seconds()), Reads: p.plan(set)}
		for _, c := range set {
			rounds[i].Every = append(rounds[i].Every, p.rates[c])
		}
	}
	slices.SortStableFunc(rounds, func(a, b Round) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
	return rounds
}

// nextSet returns the classes that are due next, and sets when they are after that.
func (p *planner) nextSet(next []time.Duration) (set []int) {
	now := slices.Min(next)
	for c := range next {
		if next[c] == now {
			set = append(set, c)
			next[c] += p.rates[c]
		}
	}
	return set
}
