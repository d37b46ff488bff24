package bus

import (
	"context"
	"sync"

	"modferry/modbus"
)

// pollShare: where people keep the line busy, one of this many transactions is a
// poll, or one of the next number while a write goes first.
const pollShare = 4

// maxPolls bounds the polls that wait. A device has at most one, so this is never met:
// were they bound like people's requests, those of a bus with many devices, which all
// come at the same instant, would lose the same ones each time.
const maxPolls = 1 << 16

// queue holds the requests of a bus: people's writes, people's reads and polls, each
// handed out in turn between clients, and for each client between units.
type queue struct {
	mu      sync.Mutex
	classes [3]class
	people  int // requests of people taken since the last poll, for its share
	limit   int // of people's requests
	closed  bool
	ready   chan struct{} // one token for each request that waits
}

const (
	writes = iota // people's
	reads         // people's
	polls
)

func newQueue(limit int) *queue {
	limit = max(1, limit)
	return &queue{limit: limit, ready: make(chan struct{}, limit+maxPolls)}
}

// push adds a request. Polls have a limit of their own, so that neither side can fill
// the other's place. Where people's places are all taken, the client with the most
// waiting gives its newest request up to one that has less: that victim is returned
// and must be answered.
func (q *queue) push(r *Request) (victim *Request, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kind := kindOf(r)
	switch {
	case q.closed:
		return nil, ErrClosed
	case kind == polls && q.classes[polls].size >= maxPolls:
		return nil, ErrFull
	case kind != polls && q.classes[writes].size+q.classes[reads].size >= q.limit:
		if victim = q.evict(r.Client); victim == nil {
			return nil, ErrFull
		}
	}
	q.classes[kind].push(r)
	q.ready <- struct{}{} // never blocks: as many places as requests
	return victim, nil
}

func kindOf(r *Request) int {
	switch {
	case r.Poll:
		return polls
	case r.Next != nil || modbus.IsWrite(r.PDU.FunctionCode):
		return writes
	}
	return reads
}

// evict takes out the newest request of the client with the most waiting, a read
// rather than a write, if that client has at least two more than the given one.
func (q *queue) evict(client string) *Request {
	most, victim := q.waiting(client)+1, (*Request)(nil)
	for _, kind := range []int{writes, reads} { // of equals, the read
		for i := range q.classes[kind].flows {
			f := &q.classes[kind].flows[i]
			if n := q.waiting(f.client); n > most || n == most && victim != nil && victim.Client == f.client {
				most, victim = n, f.last()
			}
		}
	}
	if victim != nil {
		q.remove(kindOf(victim), victim)
	}
	return victim
}

// waiting returns how many requests of a client wait, polls not counted.
func (q *queue) waiting(client string) int {
	return q.classes[writes].of(client) + q.classes[reads].of(client)
}

// cancel takes a request out if it still waits.
func (q *queue) cancel(r *Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.remove(kindOf(r), r)
}

func (q *queue) remove(kind int, r *Request) bool {
	if !q.classes[kind].remove(r) {
		return false
	}
	select {
	case <-q.ready:
	default: // an owner has its token already, and will look again
	}
	return true
}

// pop waits for a request and takes the next one; nil when ctx has ended.
func (q *queue) pop(ctx context.Context) *Request {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-q.ready:
			if r := q.take(); r != nil {
				return r
			}
		}
	}
	return nil
}

func (q *queue) take() *Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	kind := q.next()
	if q.classes[kind].size == 0 {
		return nil
	}
	return q.classes[kind].pop()
}

// next decides whose turn it is. A write goes first even where a poll is due, once;
// the poll's share is made up for in the round after.
func (q *queue) next() int {
	waiting := func(kind int) bool { return q.classes[kind].size > 0 }
	due := q.people >= pollShare-1
	switch {
	case waiting(polls) && !waiting(writes) && !waiting(reads):
		q.people = 0
		return polls
	case waiting(polls) && due && (!waiting(writes) || q.people >= pollShare):
		q.people -= pollShare - 1
		return polls
	}
	q.people = min(q.people+1, pollShare)
	if waiting(writes) {
		return writes
	}
	return reads
}

// close refuses further requests and returns those that still wait.
func (q *queue) close() []*Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	var rest []*Request
	for kind := range q.classes {
		for q.classes[kind].size > 0 {
			rest = append(rest, q.classes[kind].pop())
		}
	}
	return rest
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.classes[writes].size + q.classes[reads].size + q.classes[polls].size
}
