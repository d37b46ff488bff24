package bus

import (
	"cmp"
	"errors"
	"sync"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Breaker says when a unit that does not answer is left alone: after After
// timeouts in a row its polls rest, but for a single probe after Probe, and then
// after twice as long each time up to ProbeMax, until it answers. People's requests
// are always sent. A unit that no poll asks does not rest. The zero value is 3, 1 s, 60 s.
type Breaker struct {
	After    int
	Probe    time.Duration
	ProbeMax time.Duration
}

// Rest is a unit that polls leave alone.
type Rest struct {
	Timeouts int       `json:"timeouts"` // in a row
	Probe    time.Time `json:"probe"`    // when it is tried next
}

// breakers holds what is known of the units that did not answer lately.
type breakers struct {
	o     Breaker
	mu    sync.Mutex
	units map[byte]*breaker
	asked map[byte]time.Time // by a poll, the last time, whether it was sent or not
}

// restKept is how long a unit still counts as polled, and may rest, after the last poll
// of it: longer than most polls are apart.
const restKept = time.Hour

type breaker struct {
	timeouts int           // in a row
	pause    time.Duration // until the probe after the next; 0 = the unit is not resting
	probe    time.Time     // when the next probe is due
}

func newBreakers(o Breaker) *breakers {
	o.After = cmp.Or(o.After, 3)
	o.Probe = cmp.Or(o.Probe, time.Second)
	o.ProbeMax = max(o.Probe, cmp.Or(o.ProbeMax, time.Minute))
	return &breakers{o: o, units: map[byte]*breaker{}, asked: map[byte]time.Time{}}
}

// resting takes note that the unit is polled and reports whether that would not be sent now.
func (b *breakers) resting(unit byte, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[unit] = now
	u := b.units[unit]
	return u != nil && u.pause > 0 && now.Before(u.probe)
}

// admit reports whether a poll of the unit may be sent. Of a resting unit it is the
// probe, and the next one is set.
func (b *breakers) admit(unit byte, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[unit]
	if u == nil || u.pause == 0 {
		return true
	}
	if now.Before(u.probe) {
		return false
	}
	u.rest(now, b.o.ProbeMax)
	return true
}

func (u *breaker) rest(now time.Time, most time.Duration) {
	u.probe = now.Add(u.pause)
	u.pause = min(2*u.pause, most)
}

// note takes what became of a request and reports whether its unit began or ended to rest.
func (b *breakers) note(r *Request, reply Reply, now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[r.Unit]
	switch {
	case isSilence(reply):
		if u == nil {
			u = &breaker{}
			b.units[r.Unit] = u
		}
		if u.timeouts++; u.timeouts < b.o.After || u.pause > 0 || !b.isPolled(r.Unit, now) {
			return false
		}
		u.pause = b.o.Probe
		u.rest(now, b.o.ProbeMax)
		return true
	case reply.Err == nil && r.Unit != modbus.Broadcast && u != nil:
		delete(b.units, r.Unit)
		return u.pause > 0
	}
	return false
}

// isSilence reports whether the unit did not answer, or a gateway on the way says so.
func isSilence(reply Reply) bool {
	if e := modbus.AsException(reply.PDU); reply.Err == nil && e != nil {
		return e.ExceptionCode == modbus.GatewayTargetNoResponse
	}
	var failed *transport.Error
	return errors.As(reply.Err, &failed) && failed.Kind == transport.Timeout && failed.Sent
}

func (b *breakers) isPolled(unit byte, now time.Time) bool {
	at, ok := b.asked[unit]
	return ok && now.Sub(at) <= restKept
}

// snapshot returns the units that rest. The rest of those that are not polled any more ends.
func (b *breakers) snapshot(now time.Time) map[byte]Rest {
	b.mu.Lock()
	defer b.mu.Unlock()
	var resting map[byte]Rest
	for unit, u := range b.units {
		switch {
		case u.pause > 0 && now.After(u.probe) && !b.isPolled(unit, now):
			delete(b.units, unit)
		case u.pause > 0:
			if resting == nil {
				resting = map[byte]Rest{}
			}
			resting[unit] = Rest{Timeouts: u.timeouts, Probe: u.probe.UTC().Truncate(time.Millisecond)}
		}
	}
	return resting
}
