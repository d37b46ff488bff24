package poll

import (
	"strings"
	"sync"

	"modferry/gateway/message"
)

// Board is where the pollers of a gateway find each other's readings. The zero value
// is an empty one.
type Board struct {
	mu      sync.Mutex
	pollers map[string]*Poller
}

func (b *Board) put(p *Poller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pollers == nil {
		b.pollers = map[string]*Poller{}
	}
	b.pollers[p.o.Device.Name] = p
}

func (b *Board) remove(p *Poller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pollers[p.o.Device.Name] == p {
		delete(b.pollers, p.o.Device.Name)
	}
}

// sample returns what is known of device.reading; one that is not polled is bad. No
// poller's own lock may be held.
func (b *Board) sample(name string) message.Sample {
	device, reading, _ := strings.Cut(name, ".")
	b.mu.Lock()
	p := b.pollers[device]
	b.mu.Unlock()
	if p == nil {
		return message.Sample{Quality: message.Bad}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.byName[reading]; r != nil {
		return r.sample()
	}
	return message.Sample{Quality: message.Bad}
}
