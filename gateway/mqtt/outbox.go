package mqtt

import (
	"slices"
	"sync"
)

// publication is one message to be published.
type publication struct {
	topic   string
	payload []byte
	retain  bool
}

// outbox holds what waits for the broker: events in order, and of each state topic
// the newest payload only.
type outbox struct {
	mu      sync.Mutex
	queue   []publication     // events, and states whose payload is in newest
	newest  map[string][]byte // of every state topic, also after it was published
	waiting map[string]bool   // state topics that are in queue
	topics  []string          // state topics in the order they were first set
	events  int               // in queue
	of      map[string]int    // events in queue, by topic
	limit   int               // of events
	dropped int
	wake    chan struct{} // one token: there is something to take
}

func newOutbox(limit int) *outbox {
	return &outbox{
		newest: map[string][]byte{}, waiting: map[string]bool{}, of: map[string]int{},
		limit: max(1, limit), wake: make(chan struct{}, 1),
	}
}

// event queues a message. If the outbox is full, the topic with the most events
// loses one, so that who floods drives out nobody else; the number dropped so far is
// returned.
func (o *outbox) event(topic string, payload []byte) (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events >= o.limit {
		o.dropped++
		dropped = o.dropped
		greedy := o.greediest()
		if o.of[topic] >= o.of[greedy] {
			return dropped // its own newest
		}
		oldest := slices.IndexFunc(o.queue, func(p publication) bool { return !p.retain && p.topic == greedy })
		o.forget(greedy)
		o.queue = slices.Delete(o.queue, oldest, oldest+1)
	}
	o.queue = append(o.queue, publication{topic: topic, payload: payload})
	o.events++
	o.of[topic]++
	o.rouse()
	return dropped
}

func (o *outbox) greediest() (topic string) {
	for t, n := range o.of {
		if n > o.of[topic] {
			topic = t
		}
	}
	return topic
}

// forget counts one event of a topic less.
func (o *outbox) forget(topic string) {
	o.events--
	if o.of[topic]--; o.of[topic] == 0 {
		delete(o.of, topic)
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
		o.queue = append(o.queue, publication{topic: topic, retain: true})
	}
}

// restate queues every state again, first before all others, ahead of the events.
func (o *outbox) restate(first string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := slices.DeleteFunc(slices.Clone(o.queue), func(p publication) bool { return p.retain })
	o.queue = nil
	clear(o.waiting)
	if _, known := o.newest[first]; known {
		o.enqueue(first)
	}
	for _, topic := range o.topics {
		o.enqueue(topic)
	}
	o.queue = append(o.queue, events...)
	o.rouse()
}

// restore puts events that were taken but not acknowledged back in front, in their
// order. States need no restoring: every connect states them again.
func (o *outbox) restore(unacknowledged []publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := slices.DeleteFunc(unacknowledged, func(p publication) bool { return p.retain })
	o.queue = append(events, o.queue...)
	o.events += len(events) // may pass the limit by what was in flight
	for _, p := range events {
		o.of[p.topic]++
	}
	if len(o.queue) > 0 {
		o.rouse()
	}
}

// take returns the next publication.
func (o *outbox) take() (p publication, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return publication{}, false
	}
	p = o.queue[0]
	o.queue[0] = publication{}
	o.queue = o.queue[1:]
	if p.retain {
		delete(o.waiting, p.topic)
		p.payload = o.newest[p.topic]
	} else {
		o.forget(p.topic)
	}
	return p, true
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
