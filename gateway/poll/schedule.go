package poll

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// schedule says which read is next. Readings of one interval are a class, with ticks
// at a fixed rate. What is due at the same time is planned together, whatever its
// interval, and shorter intervals go first. A class whose reads are not all made at
// its next tick leaves that tick out.
type schedule struct {
	*planner
	classes []class
	plans   map[string][]Read // by the classes that are due
	pending []Read            // due and not made yet, those with the shortest interval first
	taken   int               // of pending, from the first on
	due     []int             // classes, for arrive alone
	key     []byte            // for planned alone
}

// class is the readings of one interval.
type class struct {
	every   time.Duration
	due     time.Time // the tick that is next, or whose reads are pending
	grid    time.Time // where the ticks begin that come after the first; zero = at the first
	pending int       // reads that are not made yet
}

func newSchedule(p *planner) *schedule {
	s := &schedule{planner: p, plans: map[string][]Read{}}
	for _, every := range p.rates {
		s.classes = append(s.classes, class{every: every})
	}
	return s
}

// firstLook is within what time all devices of a bus are read for the first time.
const firstLook = time.Second

// golden spreads any number of devices evenly over an interval, each new one into
// the widest gap.
const golden = math.Phi - 1

// maxPlans bounds the plans that are kept; intervals that are multiples of each other need
// one for each interval.
const maxPlans = 64

// begin sets the ticks of the device that is at position among those of its bus. No
// two have the same ticks: the ticks of the shortest interval are spread over it, and
// longer intervals begin at different ticks of it. The first tick is soon for all.
func (s *schedule) begin(now time.Time, position int) {
	_, part := math.Modf(float64(position) * golden)
	base, step := now, time.Duration(0)
	for i := range s.classes {
		c := &s.classes[i]
		switch {
		case i == 0:
			base = base.Add(time.Duration(part * float64(c.every)))
		case c.every%step == 0: // the ticks of both are to coincide
			base = base.Add(time.Duration(part*float64(c.every/step)) * step)
		}
		step = c.every
		c.due, c.grid = now.Add(time.Duration(part*float64(min(s.classes[0].every, firstLook)))), base
	}
}

// arrive makes the reads of the classes pending that are due, and reports whether there are any.
func (s *schedule) arrive(now time.Time) bool {
	s.due = s.due[:0]
	for i := range s.classes {
		if s.classes[i].pending == 0 && !s.classes[i].due.After(now) {
			s.due = append(s.due, i)
		}
	}
	if len(s.due) == 0 {
		return false
	}
	rest := s.pending[s.taken:]
	s.pending, s.taken = append(s.pending[:0], rest...), 0
	s.pending = append(s.pending, s.planned(s.due)...)
	for i := len(rest); i < len(s.pending); i++ {
		s.count(&s.pending[i], 1)
	}
	if len(rest) > 0 {
		slices.SortStableFunc(s.pending, func(a, b Read) int { return cmp.Compare(a.Every, b.Every) })
	}
	return true
}

// planned returns the plan for the classes that are due, made once.
func (s *schedule) planned(due []int) []Read {
	s.key = s.key[:0]
	for _, c := range due {
		s.key = binary.AppendUvarint(s.key, uint64(c))
	}
	plan, ok := s.plans[string(s.key)]
	if !ok {
		if len(s.plans) >= maxPlans {
			clear(s.plans)
		}
		plan = s.plan(due)
		s.plans[string(s.key)] = plan
	}
	return plan
}

// count adds to the pending reads of the classes that a read is for.
func (s *schedule) count(r *Read, n int) {
	for _, c := range r.classes {
		s.classes[c].pending += n
	}
}

// take returns the next pending read, nil if there is none. It stays as it is until
// the next ones arrive.
func (s *schedule) take() *Read {
	if s.taken == len(s.pending) {
		return nil
	}
	s.taken++
	return &s.pending[s.taken-1]
}

// coming returns the pending reads from the one on that was taken last.
func (s *schedule) coming() []Read { return s.pending[s.taken-1:] }

// made ends a read. late is for how long a class was not read because its reads took
// longer than its interval.
func (s *schedule) made(r *Read, now time.Time) (late time.Duration) {
	s.count(r, -1)
	for _, i := range r.classes {
		c := &s.classes[i]
		switch {
		case c.pending > 0:
		case c.grid.IsZero():
			tick := c.due
			c.due = next(tick, c.every, now)
			late = max(late, c.due.Sub(tick)-c.every)
		case c.grid.After(now):
			c.due, c.grid = c.grid, time.Time{}
		default:
			c.due, c.grid = next(c.grid, c.every, now), time.Time{}
		}
	}
	return late
}

// replan makes other reads of what is pending, by what was just learned.
func (s *schedule) replan() {
	clear(s.plans)
	rest := s.pending[s.taken:]
	var spans []span
	for i := range rest {
		s.count(&rest[i], -1)
		spans = append(spans, rest[i].spans...)
	}
	s.pending, s.taken = s.join(merged(spans)), 0
	for i := range s.pending {
		s.count(&s.pending[i], 1)
	}
}

// next returns the time of the first tick.
func (s *schedule) next() time.Time {
	first := s.classes[0].due
	for _, c := range s.classes[1:] {
		if c.due.Before(first) {
			first = c.due
		}
	}
	return first
}

// next returns the tick after due that is still to come.
func next(due time.Time, every time.Duration, now time.Time) time.Time {
	missed := max(0, now.Sub(due)/every)
	return due.Add((missed + 1) * every)
}
