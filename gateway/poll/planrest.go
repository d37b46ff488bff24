package poll

import "time"

// rest is the pace of a reading that is refused.
type rest struct {
	failures int
	until    time.Time
}

// refused notes that the device does not have a reading. It is tried again, first at
// its own pace and then ever more seldom; the others do without it.
func (p *Poller) refused(r *Read, err error) {
	r.alone = true
	h := holeOf(r.spans[0].Span)
	if p.rest[h] == nil {
		p.schedule.lesson.refuse(h)
		p.learned = true
	}
	if p.slowDown(h, r, err) {
		p.learned = true
	}
}

// unheard is for devices that do not answer where others refuse: a single reading that is
// not answered several times in a row, while others are, counts as refused.
func (p *Poller) unheard(r *Read, err error) {
	h := holeOf(r.spans[0].Span)
	switch {
	case r.alone:
		p.slowDown(h, r, err)
	case p.strikes[h]+1 < patience:
		p.strikes[h]++
	default:
		delete(p.strikes, h)
		p.rest[h] = &rest{failures: patience - 1}
		p.schedule.lesson.refuse(h)
		p.refused(r, err)
	}
}

// unable notes that the device does not have the function that reads a table. All of
// the table is tried again likewise.
func (p *Poller) unable(r *Read, err error) { p.slowDown(hole{Table: r.Table}, r, err) }

// slowDown counts a failure, and reports whether it is now one that lasts.
func (p *Poller) slowDown(h hole, r *Read, err error) (lasting bool) {
	pace := p.rest[h]
	if pace == nil {
		pace = &rest{}
		p.rest[h] = pace
	}
	if pace.failures++; pace.failures < patience {
		return false
	}
	pace.until = time.Now().Add(restFor(r.Every, pace.failures))
	if pace.failures > patience {
		return false
	}
	for _, i := range r.Readings {
		p.lacks = append(p.lacks, p.o.Device.Readings[i].Name)
	}
	p.why = err
	return true
}

// restFor doubles with each failure.
func restFor(every time.Duration, failures int) time.Duration {
	pause := every
	for range failures - patience {
		if pause >= longestRest {
			break
		}
		pause *= 2
	}
	return max(every, min(pause, longestRest))
}

// rests reports whether what was refused is not to be asked for now.
func (p *Poller) rests(r *Read) bool {
	return p.isResting(hole{Table: r.Table}) || r.alone && p.isResting(holeOf(r.spans[0].Span))
}

func (p *Poller) isResting(h hole) bool {
	pace := p.rest[h]
	return pace != nil && pace.until.After(time.Now())
}

// tellLacks logs once which readings the device turned out not to have.
func (p *Poller) tellLacks() {
	if len(p.lacks) > 0 {
		p.o.Log.Warn("the device refuses readings; they are bad, and tried again from time to time", "readings", p.lacks, "error", described(p.why))
		p.lacks, p.why = nil, nil
	}
}
