package bus

import (
	"context"
	"sync/atomic"

	"modferry/modbus"
)

// Together makes several polls of one unit at the same time, as far as the line can
// carry them. One goroutine uses it.
type Together struct {
	ctx      context.Context
	bus      *Bus
	unit     byte
	requests []*Request // used again by the next ones
	replies  []Reply
	waiting  atomic.Int64
	all      chan struct{} // one token: all are answered
}

// Together returns what makes polls of a unit. When ctx ends, requests that still wait
// are given up and those that were sent are waited for; see [Bus.Client].
func (b *Bus) Together(ctx context.Context, unit byte) *Together {
	return &Together{ctx: ctx, bus: b, unit: unit, all: make(chan struct{}, 1)}
}

// Do makes one poll for each request and returns their replies, until the next call.
func (t *Together) Do(requests []modbus.PDU) []Reply {
	t.grow(len(requests))
	t.waiting.Store(int64(len(requests)) + 1)
	for i, pdu := range requests {
		t.requests[i].PDU = pdu
		if err := t.bus.Submit(t.requests[i]); err != nil {
			t.answer(i, Reply{Err: err})
		}
	}
	t.done()
	select {
	case <-t.all:
	case <-t.ctx.Done():
		for _, r := range t.requests[:len(requests)] {
			t.bus.Cancel(r)
		}
		<-t.all
	}
	return t.replies[:len(requests)]
}

func (t *Together) grow(n int) {
	for i := len(t.requests); i < n; i++ {
		t.requests = append(t.requests, &Request{Unit: t.unit, Poll: true, Done: func(r Reply) { t.answer(i, r) }})
		t.replies = append(t.replies, Reply{})
	}
}

func (t *Together) answer(i int, r Reply) {
	t.replies[i] = r
	t.done()
}

func (t *Together) done() {
	if t.waiting.Add(-1) == 0 {
		t.all <- struct{}{}
	}
}
