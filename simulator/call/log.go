package call

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"

	"modferry/modbus/server"
)

// Default is how many calls are kept where nothing else is said.
const Default = 1000

// Max is the most calls that can be kept.
const Max = 1_000_000

// Log keeps the last calls. It is safe for concurrent use; a nil one keeps none.
type Log struct {
	mu   sync.Mutex
	ring []kept // call n is at n-1 modulo its size
	size int
	last uint64 // number of the last call
	from uint64 // calls up to this number were cleared

	added   chan struct{} // closed by the next call, if someone may be waiting for it
	waiting bool
}

// kept is a call in the log. Its bytes are the log's own, and make way for those of a
// later call; its client is not written out before someone looks.
type kept struct {
	Call
	client net.Addr
}

// keep puts a call in the place of the one that was there.
func (k *kept) keep(c Call, x server.Exchange, sent []byte) {
	c.Request = again(k.Request, x.Frame)
	c.PDU.Data = again(k.PDU.Data, x.Request.PDU.Data)
	c.Reply = again(k.Reply, sent)
	k.Call, k.client = c, x.Client
}

// again returns b in the room of bytes that are not needed any more.
func again(room, b []byte) []byte { return append(room[:0], b...) }

// copied returns the call with bytes of its own.
func (k *kept) copied() Call {
	c := k.Call
	c.Request, c.Reply, c.PDU.Data = bytes.Clone(c.Request), bytes.Clone(c.Reply), bytes.Clone(c.PDU.Data)
	if k.client != nil {
		c.Client = k.client.String()
	}
	return c
}

// New returns a log of so many calls; nil if that is none.
func New(size int) *Log {
	if size <= 0 {
		return nil
	}
	return &Log{size: size, added: make(chan struct{})}
}

// Add takes a call, copies its bytes, and gives it its number. It returns a copy if
// that is wanted.
func (l *Log) Add(c Call, x server.Exchange, sent []byte, wanted bool) (copied Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	c.Number = l.last
	if len(l.ring) < l.size {
		l.ring = append(l.ring, kept{})
	}
	k := &l.ring[(c.Number-1)%uint64(l.size)]
	k.keep(c, x, sent)
	if l.waiting {
		close(l.added)
		l.added, l.waiting = make(chan struct{}), false
	}
	if wanted {
		copied = k.copied()
	}
	return copied
}

// oldest returns the number of the first call that is kept.
func (l *Log) oldest() uint64 { return max(l.from, l.last-uint64(len(l.ring))) + 1 }

// chosen returns up to limit of the calls that the filter chooses, the oldest first,
// and what is closed when there are more calls.
func (l *Log) chosen(f Filter, limit int) ([]Call, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var calls []Call
	wanted := newChooser(f)
	for n := max(l.oldest(), f.Since+1); n <= l.last && len(calls) < limit; n++ {
		if k := &l.ring[(n-1)%uint64(l.size)]; wanted.chooses(&k.Call) {
			calls = append(calls, k.copied())
		}
	}
	l.waiting = true
	return calls, l.added
}

// Count is how much of the calls is kept.
type Count struct {
	Last uint64 // number of the last call, 0 if there was none
	Kept int
	Lost uint64 // calls that made way for later ones
}

// ErrNone: the simulator keeps no calls.
var ErrNone = errors.New("no calls are kept: start the simulator with control, or with calls of 1 or more")

// Calls returns up to limit of the calls that are kept and that the filter chooses,
// the oldest first. Error: [ErrNone], or the filter cannot be used.
func (l *Log) Calls(f Filter, limit int) ([]Call, Count, error) {
	if err := errors.Join(l.keeps(), f.Check()); err != nil {
		return nil, Count{}, err
	}
	calls, _ := l.chosen(f, limit)
	return calls, l.count(), nil
}

func (l *Log) keeps() error {
	if l == nil {
		return ErrNone
	}
	return nil
}

func (l *Log) count() Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Count{l.last, int(l.last + 1 - l.oldest()), l.oldest() - 1 - l.from}
}

// Wait returns the first call that the filter chooses, as soon as there is one;
// those that are kept count. The error is ctx's, or as of Calls.
func (l *Log) Wait(ctx context.Context, f Filter) (Call, error) {
	if err := errors.Join(l.keeps(), f.Check()); err != nil {
		return Call{}, err
	}
	for {
		calls, more := l.chosen(f, 1)
		if len(calls) > 0 {
			return calls[0], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Call{}, ctx.Err()
		}
	}
}

// Forget empties the log. Numbers go on.
func (l *Log) Forget() error {
	if l == nil {
		return ErrNone
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = l.last
	return nil
}
