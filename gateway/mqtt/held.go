package mqtt

import (
	"sync"
	"sync/atomic"
)

// maxHeld bounds the messages that wait for their acknowledgement, below what any
// broker sends ahead of it.
const maxHeld = 8

// held keeps the messages of one connection that were handed over and are not
// acknowledged yet, in the order in which they came: acknowledgements go out in that
// order [MQTT-4.6.0-2].
type held struct {
	rouse func() // there is something to acknowledge
	mu    sync.Mutex
	list  []*holding
}

type holding struct {
	ack  func()
	done atomic.Bool
}

// add takes note of a message and returns its Ack. With too many, the oldest is acknowledged early.
func (h *held) add(ack func()) func() {
	if ack == nil {
		return func() {}
	}
	one := &holding{ack: ack}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, one)
	if early := len(h.list) - maxHeld; early > 0 && !h.list[early-1].done.Swap(true) {
		h.rouse()
	}
	return func() {
		if !one.done.Swap(true) {
			h.rouse()
		}
	}
}

// flush acknowledges what can be. One goroutine calls it.
func (h *held) flush() {
	for {
		h.mu.Lock()
		if len(h.list) == 0 || !h.list[0].done.Load() {
			h.mu.Unlock()
			return
		}
		one := h.list[0]
		h.list[0] = nil
		h.list = h.list[1:]
		h.mu.Unlock()
		one.ack()
	}
}
