// Package bus owns lines. Each bus has one owner that takes requests from a bounded
// queue, sends them one after the other (or in_flight at a time where the line can
// match replies), and answers each exactly once. Requests from people go before
// polls, writes before reads; polls keep a share of a busy line.
package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Line is the way to the devices; see package transport for the errors.
type Line interface {
	SendContext(ctx context.Context, adu []byte) ([]byte, error)
	Framing() modbus.Framing
}

// Options describe a bus.
type Options struct {
	Name     string
	Line     Line
	Timeout  time.Duration // for a reply, where a request does not say
	Queue    int           // requests that may wait
	InFlight int           // transactions at a time; 0 = 1
	Breaker  Breaker       // when units that do not answer are left alone
	Notify   func()        // called after the state changed; must not block; may be nil

	// Observe is told of each transaction when it has ended, by the goroutine that made
	// it: it must not block, and copies the frames that it keeps. nil = nobody looks.
	Observe func(Transaction)
}

// Request is one transaction to be made.
type Request struct {
	Client  string // whose; clients take turns
	Unit    byte
	PDU     modbus.PDU
	Poll    bool          // a planned poll rather than a person's request
	Timeout time.Duration // for the reply; 0 = the bus's
	Expires time.Time     // not sent after that; zero = never
	Late    func() bool   // asked before each frame goes out whether it is too late for that; nil = never
	Leaving func()        // called just before the first frame goes out, may wait for a disk; nil = nothing
	Done    func(Reply)   // called exactly once if Submit returned nil; must not block

	// Next makes the request a sequence, which nobody else's request comes between: it
	// is asked after each reply what to send then, until it says nothing more; Done gets
	// the last reply. It must not block. A sequence counts as a write. nil = one transaction.
	Next func(Reply) (next modbus.PDU, more bool)
}

// Reply is what became of a request.
type Reply struct {
	PDU     modbus.PDU    // the device's reply, an exception too; none if Err is set or for a broadcast
	Err     error         // one of the errors below, or a *transport.Error
	Sent    bool          // the request may have reached the device
	Elapsed time.Duration // from taking the request from the queue to the reply
}

// Why a request was not sent.
var (
	ErrFull    = errors.New("the queue of the bus is full; try again later")
	ErrExpired = errors.New("the request expired before it could be sent")
	ErrClosed  = errors.New("the bus is closing")
	ErrResting = errors.New("the unit did not answer several times; polls leave it alone until it answers a probe")
	ErrGone    = errors.New("the request was given up by its requester")
)

// Bus is one line with its queue and owner.
type Bus struct {
	o        Options
	queue    *queue
	breakers *breakers
	stats    stats
	owners   []owner
	line     sync.RWMutex // of several owners, one that makes a sequence has the line alone
}

// New returns a bus that sends nothing before [Bus.Run].
func New(o Options) *Bus {
	o.InFlight = max(1, o.InFlight)
	if o.Notify == nil {
		o.Notify = func() {}
	}
	return &Bus{o: o, queue: newQueue(o.Queue), breakers: newBreakers(o.Breaker), owners: make([]owner, o.InFlight)}
}

// Name returns the name of the bus.
func (b *Bus) Name() string { return b.o.Name }

// Submit queues a request and returns at once. Errors: [ErrFull], [ErrClosed],
// [ErrResting] for a poll; Done is then not called. Where the queue is full, a
// client with few requests waiting takes the place of one with many, whose newest
// is answered with [ErrFull].
func (b *Bus) Submit(r *Request) error {
	if r.Poll && b.breakers.resting(r.Unit, time.Now()) {
		return ErrResting
	}
	victim, err := b.queue.push(r)
	if victim != nil {
		b.stats.refused()
		victim.Done(Reply{Err: ErrFull})
	}
	if errors.Is(err, ErrFull) {
		b.stats.refused()
	}
	return err
}

// Cancel gives up a request whose reply nobody waits for any more. If it was still
// queued it is answered with [ErrGone] and never sent.
func (b *Bus) Cancel(r *Request) {
	if b.queue.cancel(r) {
		r.Done(Reply{Err: ErrGone})
	}
}

// Run sends what is queued until ctx ends. It then finishes the transactions in
// flight, answers what still waits with [ErrClosed], and returns.
func (b *Bus) Run(ctx context.Context) {
	var owners sync.WaitGroup
	for i := range b.owners {
		owners.Go(func() { b.own(ctx, &b.owners[i]) })
	}
	owners.Wait()
	for _, r := range b.queue.close() {
		r.Done(Reply{Err: ErrClosed})
	}
}

func (b *Bus) own(ctx context.Context, o *owner) {
	for {
		r := b.queue.pop(ctx)
		if r == nil {
			return
		}
		if r.Next == nil {
			b.line.RLock()
			reply := b.one(o, r, r.PDU, true)
			b.line.RUnlock()
			r.Done(reply)
			continue
		}
		b.line.Lock()
		reply := b.sequence(o, r)
		b.line.Unlock()
		r.Done(reply)
	}
}

// sequence makes one transaction after the other.
func (b *Bus) sequence(o *owner, r *Request) Reply {
	reply := b.one(o, r, r.PDU, true)
	for {
		pdu, more := r.Next(reply)
		if !more {
			return reply
		}
		reply = b.one(o, r, pdu, false)
	}
}

// one makes a transaction of a request; first says that it is its only or first one.
func (b *Bus) one(o *owner, r *Request, pdu modbus.PDU, first bool) Reply {
	o.begin(max(r.Timeout, b.o.Timeout))
	reply := b.transact(r, pdu, first)
	o.end()
	tripped := b.breakers.note(r, reply, time.Now())
	if b.stats.count(reply) || tripped {
		b.o.Notify()
	}
	return reply
}

// transact deliberately does not end with Run's context: a frame that was begun is finished.
func (b *Bus) transact(r *Request, pdu modbus.PDU, first bool) Reply {
	start := time.Now()
	sending := start
	switch {
	case r.late(first):
		return Reply{Err: ErrExpired}
	case r.Poll && !b.breakers.admit(r.Unit, start):
		return Reply{Err: ErrResting}
	}
	framing := b.o.Line.Framing()
	packager := framing.Packager(r.Unit)
	adu, err := packager.Encode(&pdu)
	if err != nil {
		return Reply{Err: fmt.Errorf("cannot make a frame of the request: %w", err)}
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = b.o.Timeout
	}
	if first && r.Leaving != nil {
		if r.Leaving(); r.late(first) {
			return Reply{Err: ErrExpired}
		}
		sending = time.Now()
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	seen := Transaction{Client: r.Client, Poll: r.Poll, Unit: r.Unit, Framing: framing, Request: adu, Start: sending}
	reply, err := b.o.Line.SendContext(ctx, adu)
	end := time.Now()
	done := understood(packager, adu, reply, err)
	done.Elapsed = end.Sub(start)
	if b.o.Observe != nil {
		seen.Reply, seen.Elapsed = reply, end.Sub(seen.Start)
		seen.conclude(done)
		b.o.Observe(seen)
	}
	return done
}

// understood returns what the line's reply to adu says.
func understood(packager modbus.Packager, adu, reply []byte, err error) Reply {
	done := Reply{Err: err, Sent: sent(err)}
	if err != nil || reply == nil {
		return done
	}
	if done.Err = packager.Verify(adu, reply); done.Err == nil {
		var pdu *modbus.PDU
		if pdu, done.Err = packager.Decode(reply); done.Err == nil {
			done.PDU = *pdu
			return done
		}
	}
	done.Err = &transport.Error{Kind: transport.Timeout, Sent: true, Err: fmt.Errorf("the device's reply does not fit the request: %w", done.Err)}
	return done
}

// late reports whether a frame of the request must not go out any more.
func (r *Request) late(first bool) bool {
	return first && !r.Expires.IsZero() && time.Now().After(r.Expires) || r.Late != nil && r.Late()
}

// sent reports whether a request whose transaction ended with err may have reached the device.
func sent(err error) bool {
	var failed *transport.Error
	return !errors.As(err, &failed) || failed.Sent
}
