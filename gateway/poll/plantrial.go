package poll

import (
	"slices"
	"time"

	"modferry/modbus"
)

// trial is a read that was refused and may be taken by now: that of a hole, or if its
// quantity is 0 one that is larger than the learned limit.
type trial struct {
	hole hole
	read Read
}

// settle plans with what was learned, and keeps it.
func (p *Poller) settle() {
	if !p.learned {
		return
	}
	p.learned = false
	clear(p.strikes) // of reads that may be others now
	s := p.schedule
	s.replan()
	if p.o.Memory == nil {
		return
	}
	lasting := s.lesson.clone()
	lasting.Holes = slices.DeleteFunc(lasting.Holes, func(h hole) bool {
		return p.rest[h] != nil && p.rest[h].failures < patience
	})
	p.o.Memory.keep(p.o.Device.Name, p.key, lasting)
}

// forgive has everything tried again that the device refused: it was away, or a day
// has gone by, and may be another one now.
func (p *Poller) forgive() {
	p.again = time.Now().Add(askAgain)
	p.trials, p.works = nil, [2]int{}
	s := p.schedule
	for _, pace := range p.rest {
		pace.until = time.Time{}
	}
	for _, h := range s.lesson.Holes {
		if p.rest[h] == nil {
			p.trials = append(p.trials, trial{h, Read{Table: h.Table, Address: h.Address, Quantity: h.Quantity}})
		}
	}
	free := *s.planner
	free.lesson.Registers, free.lesson.Bits = 0, 0
	for _, t := range []modbus.Table{modbus.HoldingRegisters, modbus.Coils} {
		learned := s.lesson.limit(t)
		if *learned == 0 {
			continue
		}
		all := free.plan(free.allClasses())
		i := slices.IndexFunc(all, func(r Read) bool { return inBits(r.Table) == inBits(t) && r.Quantity > *learned && len(r.spans) > 1 })
		if i < 0 { // it makes no difference
			*learned, p.learned = 0, true
			continue
		}
		p.trials = append(p.trials, trial{hole{Table: t}, all[i]})
	}
}

// retry tries one thing again that the device refused, after a round that it answered.
func (p *Poller) retry() {
	if time.Now().After(p.again) {
		p.forgive()
	}
	if len(p.trials) == 0 || p.away {
		return
	}
	t := p.trials[0]
	p.trials = p.trials[1:]
	if _, err := p.ask(&t.read); err != nil {
		return
	}
	p.learned = true
	if t.hole.Quantity > 0 {
		p.schedule.lesson.drop(t.hole)
	} else {
		*p.schedule.lesson.limit(t.hole.Table) = 0
	}
	p.settle()
}
