package poll

import (
	"slices"
	"time"

	"modferry/modbus"
)

// trial is a read that was refused and may be taken by now: that of a hole, or one that
// is larger than the limit that was learned.
type trial struct {
	read  Read
	large bool
}

// maxStrikes bounds the reads whose failures are counted.
const maxStrikes = 4096

// limitTrials is how many larger reads are tried: some may fail for other reasons.
const limitTrials = 4

// settle plans with what was learned, and keeps it.
func (p *Poller) settle() {
	if !p.learned {
		return
	}
	p.learned = false
	if len(p.strikes) > maxStrikes { // of reads that are others now
		clear(p.strikes)
	}
	s := p.schedule
	s.replan()
	if p.o.Memory == nil {
		return
	}
	lasting := s.lesson.clone()
	lasting.Refused = slices.DeleteFunc(lasting.Refused, func(h hole) bool { return p.rest[h].failures < patience })
	p.o.Memory.keep(p.o.Device.Name, p.key, lasting)
}

// forgive has everything tried again that the device refused: it was away, or a day
// has gone by, and may be another one now.
func (p *Poller) forgive() {
	p.again, p.pause = time.Now().Add(askAgain), 0
	p.works = [2]int{}
	for _, pace := range p.rest {
		pace.until = time.Time{}
	}
	p.tryAgain()
}

// askSoon has holes and limits tried again soon, but ever less so.
func (p *Poller) askSoon() {
	if p.soon.IsZero() {
		p.pause = max(askSoon, min(2*p.pause, askAgain))
	}
	p.soon = time.Now().Add(p.pause)
}

// tryAgain prepares the trials of holes and limits.
func (p *Poller) tryAgain() {
	p.soon, p.trials = time.Time{}, nil
	s := p.schedule
	for _, h := range s.lesson.Holes {
		p.trials = append(p.trials, trial{read: Read{Table: h.Table, Address: h.Address, Quantity: h.Quantity}})
	}
	for _, t := range []modbus.Table{modbus.HoldingRegisters, modbus.Coils} {
		if learned := s.lesson.limit(t); *learned > 0 {
			larger := s.larger(t, *learned)
			if len(larger) == 0 { // it makes no difference
				*learned, p.learned = 0, true
			}
			p.trials = append(p.trials, larger...)
		}
	}
}

// larger returns trials of up to twice the limit that was learned for registers or bits.
func (p *planner) larger(t modbus.Table, limit int) (trials []trial) {
	free := *p
	*free.lesson.limit(t) = 2 * limit
	for _, r := range free.plan(free.allClasses()) {
		if r.Table.IsBits() == t.IsBits() && r.Quantity > limit && len(r.spans) > 1 {
			trials = append(trials, trial{r, true})
		}
	}
	if n := len(trials); n > limitTrials { // from all over the device
		for i := range limitTrials {
			trials[i] = trials[i*n/limitTrials]
		}
		trials = trials[:limitTrials]
	}
	return trials
}

// retry tries one thing again that the device refused, after a round that it answered.
func (p *Poller) retry() {
	switch now := time.Now(); {
	case now.After(p.again):
		p.forgive()
	case !p.soon.IsZero() && now.After(p.soon):
		p.tryAgain()
	}
	if len(p.trials) == 0 || p.away {
		return
	}
	t := p.trials[0]
	p.trials = p.trials[1:]
	r := &t.read
	if _, err := p.ask(r); err != nil {
		return
	}
	p.learned = true
	p.worked(r)
	if t.large {
		*p.schedule.lesson.limit(r.Table) = r.Quantity
		p.trials = slices.DeleteFunc(p.trials, func(o trial) bool { return o.large && o.read.Table.IsBits() == r.Table.IsBits() })
		p.askSoon() // there may be more
	} else {
		p.schedule.lesson.join(hole{r.Table, r.Address, r.Quantity})
	}
	p.settle()
}
