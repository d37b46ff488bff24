package mqtt

import (
	"slices"
	"sync"
)

// publication is one message to be published.
type publication struct {
	flow    string // of an event
	topic   string
	payload []byte
	retain  bool
}

// outbox holds what waits for the broker: of each state topic the newest payload
// only, and the events of each flow in order. Flows take turns, so that a flood in one
// does not hold up the others.
type outbox struct {
	mu      sync.Mutex
	newest  map[string][]byte // of every state topic, also after it was published
	topics  []string          // state topics in the order they were first set
	states  []string          // state topics that wait
	waiting map[string]bool   // which those are
	flows   []*flow           // with events, the next one first
	of      map[string]*flow  // by name
	events  int               // in all flows
	limit   int               // of events
	dropped int
	first   int           // states to be taken before any event
	event   bool          // after those: whether an event is next
	wake    chan struct{} // one token: there is something to take
}

// flow is events that keep their order and take turns with others, those of one
// topic unless they have a name of their own; never empty.
type flow struct {
	name   string
	events []publication
}

func newOutbox(limit int) *outbox {
	return &outbox{
		newest: map[string][]byte{}, waiting: map[string]bool{}, of: map[string]*flow{},
		limit: max(1, limit), wake: make(chan struct{}, 1),
	}
}

// add queues an event of the named flow. If the outbox is full, the flow with the
// most events loses its newest, so that who floods drives out nobody else; the
// number dropped so far is returned.
func (o *outbox) add(name, topic string, payload []byte) (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events >= o.limit {
		o.dropped++
		dropped = o.dropped
		greedy := slices.MaxFunc(o.flows, func(a, b *flow) int { return len(a.events) - len(b.events) })
		if f := o.of[name]; f != nil && len(f.events) >= len(greedy.events) {
			return dropped
		}
		greedy.events = greedy.events[:len(greedy.events)-1]
		o.less(greedy)
	}
	f := o.flow(name)
	f.events = append(f.events, publication{flow: name, topic: topic, payload: payload})
	o.events++
	o.rouse()
	return dropped
}

// flow returns the flow of a name, a new one in the last place if there is none.
func (o *outbox) flow(name string) *flow {
	f := o.of[name]
	if f == nil {
		f = &flow{name: name}
		o.of[name] = f
		o.flows = append(o.flows, f)
	}
	return f
}

// less takes note that an event left a flow.
func (o *outbox) less(f *flow) {
	if o.events--; len(f.events) == 0 {
		delete(o.of, f.name)
		o.flows = slices.DeleteFunc(o.flows, func(other *flow) bool { return other == f })
	}
}

// state sets the payload of a retained topic and queues it if it does not wait already.
func (o *outbox) state(topic string, payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.newest[topic]; !known {
		o.topics = append(o.topics, topic)
	}
	o.newest[topic] = payload
	o.enqueue(topic)
	o.rouse()
}

func (o *outbox) enqueue(topic string) {
	if !o.waiting[topic] {
		o.waiting[topic] = true
		o.states = append(o.states, topic)
	}
}

// restate queues every state again, one topic before all others, ahead of the events.
func (o *outbox) restate(first string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.states = nil
	clear(o.waiting)
	if _, known := o.newest[first]; known {
		o.enqueue(first)
	}
	for _, topic := range o.topics {
		o.enqueue(topic)
	}
	o.first = len(o.states)
	o.rouse()
}

// restore puts events that were taken but not acknowledged back in front of those of
// their flow, in their order. States need no restoring: every connect states them
// again. It may pass the limit by what was in flight.
func (o *outbox) restore(unacknowledged []publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range slices.Backward(unacknowledged) {
		if !p.retain {
			f := o.flow(p.flow)
			f.events = slices.Insert(f.events, 0, p)
			o.events++
		}
	}
	o.rouse()
}

// take returns the next publication.
func (o *outbox) take() (p publication, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.states) == 0 && len(o.flows) == 0:
		return publication{}, false
	case len(o.flows) == 0, len(o.states) > 0 && (o.first > 0 || !o.event):
		return o.takeState(), true
	}
	return o.takeEvent(), true
}

func (o *outbox) takeState() publication {
	topic := o.states[0]
	o.states = o.states[1:]
	delete(o.waiting, topic)
	o.first = max(0, o.first-1)
	o.event = true
	return publication{topic: topic, payload: o.newest[topic], retain: true}
}

func (o *outbox) takeEvent() publication {
	f := o.flows[0]
	p := f.events[0]
	f.events[0] = publication{}
	f.events = f.events[1:]
	o.flows = append(o.flows[1:], f)
	o.less(f)
	o.event = false
	return p
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
