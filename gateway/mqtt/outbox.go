package mqtt

import (
	"slices"
	"sync"
	"time"
)

// publication is one message to be published.
type publication struct {
	flow        string // of an event
	topic       string
	payload     []byte
	correlation []byte
	retain      bool
	qos         byte
	compose     func() (topic string, payload []byte) // of an event that is made when it goes out
	missed      func()                                // of a state: to be called if the broker does not get it; nil = nobody asks
	delivery    chan<- handedOver                     // of what Deliver publishes: one place; nil = of others
}

// outbox holds what waits for the broker: of each state topic the newest payload
// only, and the events of each flow in order. Flows take turns, so that a flood in one
// does not hold up the others.
type outbox struct {
	mu      sync.Mutex
	newest  map[string]*Retained // of every state topic, also after it was published
	online  bool                 // states set now are about to be published
	topics  []*Retained          // in the order they were first set
	states  queue                // those that wait
	flows   []*flow              // with events, the next one first
	of      map[string]*flow     // by name
	events  int                  // in all flows
	limit   int                  // of events
	dropped uint64
	bulk    []*publication // of Deliver
	first   int            // states to be taken before any event
	event   bool           // after those: whether an event is next
	wake    chan struct{}  // one token: there is something to take
}

// flow is events that keep their order and take turns with others, those of one
// topic unless they have a name of their own; never empty.
type flow struct {
	name   string
	events []publication
}

func newOutbox(limit int) *outbox {
	return &outbox{
		newest: map[string]*Retained{}, of: map[string]*flow{},
		limit: max(1, limit), wake: make(chan struct{}, 1),
	}
}

// add queues an event. If the outbox is full, the flow with the
// most events loses its newest, so that who floods drives out nobody else; the
// number dropped so far is returned.
func (o *outbox) add(p publication) (dropped uint64) {
	name := p.flow
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
	f.events = append(f.events, p)
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

// state sets the payload of a retained topic; see set.
func (o *outbox) state(st State) (away bool) {
	o.mu.Lock()
	r := o.retained(st.Topic)
	o.mu.Unlock()
	away = o.set(r, st.Payload, time.Time{}, st.Missed)
	o.rouse()
	return away
}

// setOnline says whether states are about to be published. When they are no more, it
// returns whom to tell of those that still wait.
func (o *outbox) setOnline(online bool) (missed []func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.online = online; online {
		return nil
	}
	for _, r := range o.states.all() {
		if m := r.miss(); m != nil {
			missed = append(missed, m)
		}
	}
	return missed
}

// deliver queues what is less urgent than everything else; withdraw takes it back.
func (o *outbox) deliver(p *publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk = append(o.bulk, p)
	o.rouse()
}

func (o *outbox) withdraw(p *publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bulk = slices.DeleteFunc(o.bulk, func(other *publication) bool { return other == p })
}

// done says that the broker has p. A topic that it cleared is forgotten.
func (o *outbox) done(p *publication) {
	if !p.retain || len(p.payload) > 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.newest[p.topic]; r != nil && r.known && len(r.payload) == 0 && !r.waiting {
		r.known = false
		delete(o.newest, p.topic)
		o.topics = slices.DeleteFunc(o.topics, func(other *Retained) bool { return other == r })
	}
}

// forgetting returns the topics that are cleared, and that the broker may still have.
func (o *outbox) forgetting() (topics []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.topics {
		if len(r.payload) == 0 {
			topics = append(topics, r.topic)
		}
	}
	return topics
}

func (o *outbox) enqueue(r *Retained) {
	if !r.waiting {
		r.waiting = true
		o.states.push(r)
	}
}

// restate queues every state again, one topic before all others, ahead of the events.
func (o *outbox) restate(first string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.states.len() > 0 {
		o.states.pop().waiting = false
	}
	if r := o.newest[first]; r != nil && r.known {
		o.enqueue(r)
	}
	for _, r := range o.topics {
		o.enqueue(r)
	}
	o.first = o.states.len()
	o.rouse()
}

// restore puts events that were taken but not acknowledged back in front of those of
// their flow, in their order. States need no restoring: every connect states them
// again. It may pass the limit by what was in flight.
func (o *outbox) restore(unacknowledged []*publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range slices.Backward(unacknowledged) {
		if !p.retain && p.delivery == nil {
			f := o.flow(p.flow)
			f.events = slices.Insert(f.events, 0, *p)
			o.events++
		}
	}
	o.rouse()
}

// take returns the next publication, nil if there is none.
func (o *outbox) take() *publication { return o.takeBut(false) }

// takeBut leaves the states where they are, if events is set, and what is to come after them.
func (o *outbox) takeBut(events bool) *publication {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case events && o.first > 0:
		return nil
	case !events && o.isStateNext():
		return o.takeState()
	case len(o.flows) > 0:
		return o.takeEvent()
	case len(o.bulk) > 0:
		p := o.bulk[0]
		o.bulk = slices.Delete(o.bulk, 0, 1)
		return p
	}
	return nil
}

// isStateNext reports whether a state is to be taken next. It is called with o.mu held.
func (o *outbox) isStateNext() bool {
	return o.states.len() > 0 && (len(o.flows) == 0 || o.first > 0 || !o.event)
}

func (o *outbox) takeState() *publication {
	r := o.popState()
	return &publication{topic: r.topic, payload: slices.Clone(r.payload), retain: true, missed: r.miss()}
}

func (o *outbox) popState() *Retained {
	r := o.states.pop()
	r.waiting = false
	o.first = max(0, o.first-1)
	o.event = true
	return r
}

func (o *outbox) takeEvent() *publication {
	f := o.flows[0]
	p := f.events[0]
	f.events[0] = publication{}
	f.events = f.events[1:]
	o.flows = append(o.flows[1:], f)
	o.less(f)
	o.event = false
	return &p
}

// rouse says that there is something to do.
func (o *outbox) rouse() { rouse(o.wake) }
