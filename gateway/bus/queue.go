package bus

import (
	"context"
	"sync"

	"modferry/modbus"
)

// pollShare: where people keep the line busy, at least one of this many transactions is a poll.
const pollShare = 5

// queue holds the requests of a bus in three classes, each in order of arrival.
type queue struct {
	mu      sync.Mutex
	classes [3][]*Request
	people  int // requests of people taken since the last poll
	limit   int
	size    int
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
	return &queue{limit: limit, ready: make(chan struct{}, 2*limit)}
}

// push adds a request. Polls have a limit of their own, so that neither side can fill the other's place.
func (q *queue) push(r *Request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	class := classOf(r)
	switch {
	case q.closed:
		return ErrClosed
	case class == polls && len(q.classes[polls]) >= q.limit,
		class != polls && len(q.classes[writes])+len(q.classes[reads]) >= q.limit:
		return ErrFull
	}
	q.classes[class] = append(q.classes[class], r)
	q.size++
	q.ready <- struct{}{} // never blocks: as many places as requests
	return nil
}

func classOf(r *Request) int {
	switch {
	case r.Poll:
		return polls
	case modbus.IsWrite(r.PDU.FunctionCode):
		return writes
	}
	return reads
}

// pop waits for a request and takes the next one; nil when ctx has ended.
func (q *queue) pop(ctx context.Context) *Request {
	select {
	case <-ctx.Done():
		return nil
	default:
	}
	select {
	case <-ctx.Done():
		return nil
	case <-q.ready:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	class := q.next()
	r := q.classes[class][0]
	q.classes[class][0] = nil
	if q.classes[class] = q.classes[class][1:]; len(q.classes[class]) == 0 {
		q.classes[class] = nil
	}
	q.size--
	return r
}

func (q *queue) next() int {
	waiting := func(class int) bool { return len(q.classes[class]) > 0 }
	people := waiting(writes) || waiting(reads)
	if waiting(polls) && (!people || q.people >= pollShare-1) {
		q.people = 0
		return polls
	}
	q.people++
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
	for class := range q.classes {
		rest = append(rest, q.classes[class]...)
		q.classes[class] = nil
	}
	q.size = 0
	return rest
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size
}
