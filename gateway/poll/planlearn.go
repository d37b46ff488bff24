package poll

import (
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
)

// How a device is asked for what it refused.
const (
	splitParts  = 16             // a joined read is taken apart into so many parts in one round, and further in the next
	patience    = 3              // failures in a row before something counts as lasting
	longestRest = time.Hour      // of a reading that is refused even alone
	askAgain    = 24 * time.Hour // after that long the device may have been changed
	askSoon     = 10 * time.Minute
)

// learner is what a poller finds out about the reads that its device takes.
type learner struct {
	key     string         // of what was learned, in the memory
	rest    map[hole]*rest // of the readings that are refused even alone, and of tables whose function is
	strikes map[hole]int   // rounds in a row in which a joined read was not answered
	works   [2]int         // the largest quantity that was answered: registers, bits
	trials  []trial        // what is to be tried again, one in a round
	again   time.Time      // when all that was learned is tried again
	soon    time.Time      // when limits and holes are; zero = with all
	pause   time.Duration  // before that was last time
	learned bool           // something, since the last settle
	asked   bool           // in this round
	heard   bool           // likewise: the device answered
	before  bool           // that, in the round before
	mute    bool           // even a small read was not answered, and nothing after it
	away    bool           // in the last round it did not answer at all
	late    int            // how often in a row reads took too long
	warned  bool           // of that
	lacks   []string       // readings that turned out to be refused, not logged yet
	why     error          // the last of these
}

func newLearner(d config.Device, b config.Bus) learner {
	return learner{key: keyOf(d, b), rest: map[hole]*rest{}, strikes: map[hole]int{}}
}

// start recalls what was learned before, and sets the first ticks.
func (p *Poller) start(now time.Time) {
	s := p.schedule
	s.begin(now, p.o.Position)
	p.again = now.Add(askAgain)
	if p.o.Memory == nil {
		return
	}
	known, age := p.o.Memory.recall(p.o.Device.Name, p.key)
	s.lesson = known
	p.again = now.Add(max(0, askAgain-age))
	for _, h := range known.Refused { // for long, so it is not asked for at once
		p.rest[h] = &rest{failures: 2 * patience, until: now.Add(restFor(s.rates[0], 2*patience))}
	}
}

// split finds out what of a joined read the device refuses, and gives the readings
// what can be had. Each part is the longest one from the first reading on that the
// device takes, found by bisection.
func (p *Poller) split(r Read, why error) bool {
	p.learned = true
	near := false // the next refusal is probably close
	for range splitParts {
		works, data, refusal, err := p.search(&r, why, near)
		if err != nil {
			return p.gaveUp(&r, err)
		}
		part := p.schedule.read(r.spans[:max(1, works)])
		more := r.spans[max(1, works):]
		near = works == 0
		if near {
			p.refused(&part, refusal)
			p.took(&part, nil, refusal)
		} else {
			p.worked(&part)
			p.took(&part, data, nil)
			if p.isTooMuch(&part, more, refusal) {
				*p.schedule.lesson.limit(r.Table) = part.Quantity
				return p.doAll(p.schedule.join(more))
			}
			p.schedule.lesson.part(between(r.spans[works-1], more[0]))
		}
		if len(more) == 0 {
			return true
		}
		r = p.schedule.read(more)
		if data, why = p.read(&r); !isRefusal(why) || len(more) == 1 {
			return p.last(&r, data, why)
		}
	}
	p.took(&r, nil, why) // the rest of it in the next round
	return true
}

// search returns how many readings from the first on one request may read, with their
// data, and why not one more; or an error that says nothing about that.
func (p *Poller) search(r *Read, why error, near bool) (works int, data []byte, refusal, err error) {
	fails := len(r.spans)
	for fails-works > 1 {
		n := (works + fails) / 2
		if near {
			n, near = works+1, false
		}
		part := p.schedule.read(r.spans[:n])
		got, err := p.read(&part)
		switch {
		case err == nil:
			works, data = n, got
		case isRefusal(err):
			fails, why = n, err
		default:
			return 0, nil, nil, err
		}
	}
	return works, data, why, nil
}

// isTooMuch tells a device that takes no larger requests from one that has a hole: it
// refuses as much elsewhere, too.
func (p *Poller) isTooMuch(part *Read, more []span, refusal error) bool {
	if exceptionOf(refusal) != modbus.IllegalDataValue { // what the specification has for a quantity [App 6.3]
		return false
	}
	for n := range more {
		if larger := p.schedule.read(more[:n+1]); larger.Quantity > part.Quantity {
			_, err := p.read(&larger)
			return isRefusal(err)
		}
	}
	return false
}

// last takes what came of the last part of a read that was split.
func (p *Poller) last(r *Read, data []byte, err error) bool {
	switch {
	case err == nil:
		p.worked(r)
	case isRefusal(err):
		p.refused(r, err)
	default:
		return p.gaveUp(r, err)
	}
	p.took(r, data, err)
	return true
}

func (p *Poller) gaveUp(r *Read, err error) bool {
	if isEnd(err) {
		return false
	}
	p.took(r, nil, err)
	return true
}

func (p *Poller) doAll(reads []Read) bool {
	for i := range reads {
		if !p.do(&reads[i]) {
			return false
		}
	}
	return true
}

// between is what is refused if two neighbours may not be read together.
func between(a, b span) hole {
	return hole{a.Table, a.Address, max(a.End(), b.End()) - int(a.Address)}
}

// kind is 0 for registers and 1 for bits.
func kind(t modbus.Table) int {
	if t.IsBits() {
		return 1
	}
	return 0
}

// worked notes a good reply.
func (p *Poller) worked(r *Read) {
	delete(p.rest, hole{Table: r.Table})
	works := &p.works[kind(r.Table)]
	*works = max(*works, r.Quantity)
	delete(p.strikes, hole{r.Table, r.Address, r.Quantity})
	if r.alone {
		h := holeOf(r.spans[0].Span)
		delete(p.rest, h)
		p.schedule.lesson.accept(h)
		p.learned = true
	}
}

// unanswered is for devices that do not answer where others refuse, or whose reply to
// a large request is too short. Where a joined read fails several times in a row while
// others are answered, or at least a small one, less is asked for from then on: half as
// much, or if as much is answered elsewhere, the two halves apart.
func (p *Poller) unanswered(r *Read, err error) bool {
	if p.heard {
		p.took(r, nil, err)
	} else if on, alive := p.probe(r, err); !alive {
		return on
	}
	key := hole{r.Table, r.Address, r.Quantity}
	if p.strikes[key]++; p.strikes[key] < patience {
		return true
	}
	delete(p.strikes, key)
	p.learned = true
	if p.works[kind(r.Table)] < r.Quantity {
		*p.schedule.lesson.limit(r.Table) = max(1, r.Quantity/2)
	} else {
		half := len(r.spans) / 2
		p.schedule.lesson.part(between(r.spans[half-1], r.spans[half]))
	}
	p.askSoon() // not every cut will be needed in the end
	return true
}

// isTooLong reports whether less to read may help against replies that are cut off by
// the timeout: over a network, whose timeout is all the time they have, and if as much
// was not answered yet. On a serial line they have the time that they take, and it is
// the device that is slow, however little it is asked for.
func (p *Poller) isTooLong(r *Read) bool {
	return len(r.spans) > 1 && p.schedule.line.Char == 0 && p.works[kind(r.Table)] < r.Quantity
}

// probe asks for the first reading of a read that was not answered, and reports whether
// polling goes on, and whether the device is known to answer.
func (p *Poller) probe(r *Read, err error) (on, alive bool) {
	small, others := p.schedule.read(r.spans[:1]), p.schedule.read(r.spans[1:])
	data, none := p.ask(&small)
	switch {
	case isEnd(none):
		return false, false
	case none == nil:
		p.took(&small, data, nil)
		p.took(&others, nil, err)
		return true, true
	}
	alive = p.heard || p.before
	p.mute = true
	return p.gaveUp(r, err), alive
}
