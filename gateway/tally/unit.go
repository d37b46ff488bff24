package tally

import (
	"sync"
	"sync/atomic"
	"time"

	"modferry/gateway/bus"
)

// exceptionCodes is one more than the greatest code that is counted by itself; what is
// greater counts as 0.
const exceptionCodes = 16

// unit counts the transactions of one unit.
type unit struct {
	polls, requests [bus.Outcomes]atomic.Uint64
	exceptions      [exceptionCodes]atomic.Uint64
	classes         [len(Bounds) + 1]atomic.Uint64
	sum             atomic.Int64 // nanoseconds
	answered        atomic.Int64 // Unix nanoseconds; 0 = never
	failed          atomic.Int64
	failure         atomic.Uint32
	recent          recent
}

func (u *unit) add(t bus.Transaction) {
	counts := &u.requests
	if t.Poll {
		counts = &u.polls
	}
	counts[min(int(t.Outcome), bus.Outcomes-1)].Add(1)
	end := t.Start.Add(t.Elapsed)
	u.recent.add(second(end), t.Elapsed)
	switch t.Outcome {
	case bus.Exception:
		u.exceptions[known(t.Exception)].Add(1)
		fallthrough
	case bus.Good:
		u.classes[class(t.Elapsed)].Add(1)
		u.sum.Add(int64(t.Elapsed))
		u.answered.Store(end.UnixNano())
	case bus.Timeout, bus.Broken, bus.Unsent, bus.NoPath:
		u.failure.Store(uint32(t.Outcome))
		u.failed.Store(end.UnixNano())
	}
}

func known(exception byte) byte {
	if exception < exceptionCodes {
		return exception
	}
	return 0
}

func class(d time.Duration) int {
	for i, most := range Bounds {
		if d <= most {
			return i
		}
	}
	return len(Bounds)
}

func (u *unit) snapshot(id byte, now time.Time) Unit {
	s := Unit{
		Unit: id, Exceptions: map[byte]uint64{}, Lately: u.recent.sum(second(now)),
		Answered: at(u.answered.Load()), Failed: at(u.failed.Load()), Failure: bus.Outcome(u.failure.Load()),
	}
	for i := range s.Polls {
		s.Polls[i], s.Requests[i] = u.polls[i].Load(), u.requests[i].Load()
	}
	for code := range u.exceptions {
		if n := u.exceptions[code].Load(); n > 0 {
			s.Exceptions[byte(code)] = n
		}
	}
	for i := range s.Latency.Classes {
		s.Latency.Classes[i] = u.classes[i].Load()
	}
	s.Latency.Sum = time.Duration(u.sum.Load())
	return s
}

func at(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// recent counts the transactions of each of the last seconds.
type recent struct {
	mu      sync.Mutex
	seconds [Window + 1]struct { // by the second modulo their number: the present one too
		second int64
		Lately
	}
}

func (r *recent) add(second int64, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.seconds[uint64(second)%uint64(len(r.seconds))]
	if s.second != second {
		s.second, s.Lately = second, Lately{}
	}
	s.Transactions++
	s.Busy += took
}

// sum returns those of the seconds before the given one.
func (r *recent) sum(second int64) (l Lately) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seconds {
		if s.second < second && s.second >= second-Window {
			l.Transactions += s.Transactions
			l.Busy += s.Busy
		}
	}
	return l
}
