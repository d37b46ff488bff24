package event

import (
	"sync"
	"sync/atomic"
)

// Listeners are those who are told events. The zero value is of none.
type Listeners struct {
	mu        sync.Mutex
	listening map[*Listener]bool
	some      atomic.Bool
}

// Listener hears events until it is closed.
type Listener struct {
	Events <-chan Event
	events chan Event
	lost   int // guarded by the Listeners
	of     *Listeners
}

// maxEvents is how many events wait for a listener; what comes beyond is lost.
const maxEvents = 1024

// Listen returns a new listener. If it is too slow it loses events, and then hears
// how many.
func (all *Listeners) Listen() *Listener {
	events := make(chan Event, maxEvents)
	l := &Listener{Events: events, events: events, of: all}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.listening == nil {
		all.listening = map[*Listener]bool{}
	}
	all.listening[l] = true
	all.some.Store(true)
	return l
}

// Close ends the listening.
func (l *Listener) Close() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	delete(l.of.listening, l)
	l.of.some.Store(len(l.of.listening) > 0)
}

// Tell tells everyone who listens an event, and waits for no one.
func (all *Listeners) Tell(e Event) {
	if !all.some.Load() {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for l := range all.listening {
		l.tell(e)
	}
}

func (l *Listener) tell(e Event) {
	if l.lost > 0 {
		select {
		case l.events <- Event{"lost", Lost{l.lost}}:
			l.lost = 0
		default:
		}
	}
	if l.lost == 0 {
		select {
		case l.events <- e:
			return
		default:
		}
	}
	l.lost++
}

// Any reports whether anyone listens.
func (all *Listeners) Any() bool { return all.some.Load() }
