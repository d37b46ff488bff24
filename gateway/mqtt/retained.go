package mqtt

import (
	"slices"
	"time"
)

// Retained is a topic with a state: what is set last is published, retained, now and
// after each reconnect.
type Retained struct {
	outbox *outbox
	topic  string
	lost   func(topic string, payload []byte, at time.Time) // see [Session.Retained]

	// Guarded by outbox.mu:
	payload []byte
	small   [24]byte // for it
	at      time.Time
	missed  func() // of [State]
	known   bool   // it was set
	waiting bool   // to be published
	risked  bool   // nobody was told yet that the payload may be missed
}

// Retained returns the topic, to set its state often. lost is called, at most once for
// each state, if the broker was away or the connection ended before it had that state;
// it must not block nor keep the payload, and may be nil.
func (s *Session) Retained(topic string, lost func(topic string, payload []byte, at time.Time)) *Retained {
	o := s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.retained(topic)
	r.lost = lost
	return r
}

// Set sets the state, as it is at a time. The payload is copied. What is set is
// published after [Session.Flush], or earlier.
func (r *Retained) Set(payload []byte, at time.Time) {
	if away := r.outbox.set(r, payload, at, nil); away && r.lost != nil {
		r.lost(r.topic, payload, at)
	}
}

// Newest returns the state that a topic was set to last, nil if there is none.
func (s *Session) Newest(topic string) []byte {
	o := s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.newest[topic]; r != nil && r.known && len(r.payload) > 0 {
		return slices.Clone(r.payload)
	}
	return nil
}

// Flush has published what was set.
func (s *Session) Flush() { s.outbox.rouse() }

// retained returns the topic, new if it was never set. It is called with o.mu held.
func (o *outbox) retained(topic string) *Retained {
	r := o.newest[topic]
	if r == nil {
		r = &Retained{outbox: o, topic: topic}
		r.payload = r.small[:0]
		o.newest[topic] = r
	}
	return r
}

// set sets the payload of a topic and queues it if it does not wait already. It
// reports whether the broker is away, so that the payload may be missed.
func (o *outbox) set(r *Retained, payload []byte, at time.Time, missed func()) (away bool) {
	o.mu.Lock()
	if !r.known {
		r.known = true
		o.newest[r.topic] = r // it may have been forgotten meanwhile
		o.topics = append(o.topics, r)
	}
	r.payload, r.at, r.missed, r.risked = append(r.payload[:0], payload...), at, missed, o.online
	o.enqueue(r)
	away = !o.online
	o.mu.Unlock()
	return away
}

// miss returns whom to tell that the present payload may be missed, nil if nobody
// wants to know or was told already. It is called with o.mu held.
func (r *Retained) miss() func() {
	if !r.risked {
		return nil
	}
	r.risked = false
	switch {
	case r.missed != nil:
		return r.missed
	case r.lost != nil:
		lost, payload, at := r.lost, slices.Clone(r.payload), r.at
		return func() { lost(r.topic, payload, at) }
	}
	return nil
}

// queue is of states, in the order in which they began to wait.
type queue struct {
	waiting []*Retained
	first   int
}

func (q *queue) len() int { return len(q.waiting) - q.first }

func (q *queue) push(r *Retained) {
	if q.first > 0 && len(q.waiting) == cap(q.waiting) { // rather than more memory, that of those that went
		n := copy(q.waiting, q.waiting[q.first:])
		clear(q.waiting[n:])
		q.waiting, q.first = q.waiting[:n], 0
	}
	q.waiting = append(q.waiting, r)
}

func (q *queue) pop() *Retained {
	r := q.waiting[q.first]
	q.waiting[q.first] = nil
	if q.first++; q.first == len(q.waiting) {
		q.waiting, q.first = q.waiting[:0], 0
	}
	return r
}

func (q *queue) all() []*Retained { return q.waiting[q.first:] }
