package gateway

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// Where request and response topic are the same, every reply comes back as if it
// were a request. MQTT 3.1.1 does not say who sent a message, so the gateway keeps
// what it published there: a message with the same bytes is its own, once for each
// time it was published. Equal messages are interchangeable, so it does not matter
// which of two equal ones is taken for ours.
const (
	ownLife = time.Minute // what has not come back by then will not
	ownMax  = 4096        // publications remembered; the oldest are forgotten beyond it
)

// own recognises the gateway's own publications on one topic. Those still on their
// way back are few, so it is a list.
type own struct {
	mu  sync.Mutex
	out []published // oldest first
}

type published struct {
	payload []byte
	at      time.Time
}

// add remembers a payload that is about to be published.
func (o *own) add(payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for len(o.out) > 0 && (len(o.out) >= ownMax || now.Sub(o.out[0].at) > ownLife) {
		o.out = o.out[1:]
	}
	o.out = append(o.out, published{payload, now})
}

// take reports whether the payload is one of ours that has not come back yet.
func (o *own) take(payload []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.out, func(p published) bool {
		return bytes.Equal(p.payload, payload) && time.Since(p.at) <= ownLife
	})
	if i < 0 {
		return false
	}
	o.out = slices.Delete(o.out, i, i+1)
	return true
}

// reset forgets everything: what was published over an ended connection does not come back.
func (o *own) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out = nil
}
