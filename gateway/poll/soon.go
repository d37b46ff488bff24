package poll

import (
	"slices"
	"sync"

	"modferry/modbus/profile"
)

// wanted are readings that are to be read out of turn.
type wanted struct {
	some chan struct{} // one token
	mu   sync.Mutex
	list []int // indices into the device's readings
}

func newWanted() *wanted { return &wanted{some: make(chan struct{}, 1)} }

// Soon has a reading read as soon as the line lets a poll through, and published
// whether it changed or not: somebody has just set it. It does not block. Readings
// that are not polled are left alone.
func (p *Poller) Soon(reading string) {
	i := slices.IndexFunc(p.o.Device.Readings, func(r profile.Reading) bool { return r.Name == reading && r.Compute == "" })
	if i < 0 {
		return
	}
	p.wanted.mu.Lock()
	defer p.wanted.mu.Unlock()
	if !slices.Contains(p.wanted.list, i) {
		p.wanted.list = append(p.wanted.list, i)
	}
	select {
	case p.wanted.some <- struct{}{}:
	default:
	}
}

func (w *wanted) take() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

// readWanted reads what is wanted, each by itself, so that the rates of the plan stay
// as they are.
func (p *Poller) readWanted() {
	p.early.forget() // it may be of before what was written
	for _, i := range p.wanted.take() {
		s := p.readings[i].Span()
		r := Read{Table: s.Table, Address: s.Address, Quantity: s.Quantity, Readings: []int{i}, alone: p.rest[holeOf(s)] != nil}
		data, err := p.read(&r)
		if isEnd(err) {
			return
		}
		if err == nil {
			p.renew(i) // whatever was published, this value is news
		}
		p.took(&r, data, err)
	}
	p.finish()
}
