package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"modferry/modbus"
)

// TCPOptions describe a Modbus TCP server.
type TCPOptions struct {
	Address string // host:port
	Network string // "tcp" or "udp"; "" = "tcp"
	TLS     Secure // nil = plain; see [TLSFiles]

	// Open connects, instead of Network, Address and TLS; nil = these.
	Open func(ctx context.Context) (net.Conn, error)

	Timeout  time.Duration // for a reply, where the call's context has no deadline; 0 = 1 s
	Delay    time.Duration // quiet time after connecting and between transactions
	InFlight int           // requests sent and not answered at a time; 0 = 1; servers usually take up to 16
}

// TCP is a transporter over one connection to a Modbus TCP server. It gives every
// request a transaction id of its own, so that callers may use the same ones and a
// reply that comes too late is told from the next; the reply carries the caller's.
type TCP struct {
	o       TCPOptions
	open    func(ctx context.Context) (net.Conn, error)
	life    context.Context // ends with Close
	stop    context.CancelFunc
	readers sync.WaitGroup
	closing sync.Once

	free chan *call    // as many as may be in flight
	dial chan struct{} // holds one token; who has it may connect

	mu        sync.Mutex // guards below, and what is in conn and calls that says so
	conn      *conn      // nil when there is none
	id        uint16     // of the last request: counting on, an id comes back only after 65,535 others
	backoff   backoff
	notBefore time.Time // for the next request, because of Delay
}

// NewTCP returns a transporter that connects with its first request.
func NewTCP(o TCPOptions) *TCP {
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.InFlight = max(1, o.InFlight)
	t := &TCP{o: o, free: make(chan *call, o.InFlight), dial: make(chan struct{}, 1)}
	t.open = o.Open
	if t.open == nil {
		t.open = func(ctx context.Context) (net.Conn, error) { return dial(ctx, o.Network, o.Address, o.TLS) }
	}
	t.life, t.stop = context.WithCancel(context.Background())
	for range o.InFlight {
		t.free <- &call{done: make(chan struct{}, 1), clock: stoppedTimer()}
	}
	t.dial <- struct{}{}
	return t
}

// Framing is TCP.
func (t *TCP) Framing() modbus.Framing { return modbus.TCP }

// Send is SendContext with the timeout of the options.
func (t *TCP) Send(adu []byte) ([]byte, error) { return t.SendContext(context.Background(), adu) }

// SendContext sends a request and returns its reply; see [Transporter].
func (t *TCP) SendContext(ctx context.Context, adu []byte) ([]byte, error) {
	if _, err := modbus.ParseTCP(adu); err != nil {
		return nil, &Error{Kind: Invalid, Err: fmt.Errorf("cannot send: %w", err)}
	}
	l := newLimit(ctx, t.life, t.o.Timeout)
	c, err := acquire(&l, t.free)
	if err != nil {
		return nil, err
	}
	c.prepare(adu)
	if err = t.write(&l, c); err == nil {
		err = t.await(&l, c)
	}
	reply := c.reply
	t.free <- c
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// Connect connects if there is no connection. The context's deadline, or the
// options' timeout, bounds it.
func (t *TCP) Connect(ctx context.Context) error {
	l := newLimit(ctx, t.life, t.o.Timeout)
	_, err := t.connect(&l)
	return err
}

// Close ends running calls and closes the connection; see [Transporter].
func (t *TCP) Close() error {
	t.closing.Do(func() {
		t.stop()
		t.mu.Lock()
		if t.conn != nil {
			t.conn.answerAll(errClosed)
		}
		t.mu.Unlock()
		for range t.o.InFlight {
			<-t.free // kept for ever: frames that are being written are finished, none follows
		}
		<-t.dial
		t.mu.Lock()
		conn := t.conn
		t.mu.Unlock()
		if conn != nil {
			conn.fail(errClosed)
		}
		t.readers.Wait()
	})
	return nil
}

// write sends the request of c. A connection that turns out to be dead before a
// byte left is replaced, once.
func (t *TCP) write(l *limit, c *call) error {
	for first := true; ; first = false {
		conn, err := t.connect(l)
		if err != nil {
			return err
		}
		if t.o.Delay > 0 {
			if err := t.pause(l, c); err != nil {
				return err
			}
		}
		n, err := conn.send(c)
		if err == nil {
			return nil
		}
		if n == 0 && t.life.Err() != nil {
			return l.ended()
		}
		if n > 0 || !first || errors.Is(err, os.ErrDeadlineExceeded) {
			return &Error{Kind: Unavailable, Sent: n > 0, Err: fmt.Errorf("cannot send to %s: %w", t.o.Address, reason(err))}
		}
	}
}

// pause waits for the next moment at which a request may be sent, and takes it.
func (t *TCP) pause(l *limit, c *call) error {
	t.mu.Lock()
	then := later(time.Now(), t.notBefore)
	t.notBefore = then.Add(t.o.Delay)
	t.mu.Unlock()
	return l.pause(then, c.clock)
}

// rested notes that a transaction has just ended. Called with t.mu held.
func (t *TCP) rested() {
	if t.o.Delay > 0 {
		t.notBefore = later(t.notBefore, time.Now().Add(t.o.Delay))
	}
}

// await waits for the reply to c, which is sent.
func (t *TCP) await(l *limit, c *call) error {
	var over <-chan time.Time
	if l.own {
		c.clock.Reset(time.Until(l.end))
		defer c.clock.Stop()
		over = c.clock.C
	}
	for waiting := true; waiting; {
		select {
		case <-c.done:
			return t.outcome(c)
		case <-over:
			waiting = false
		case <-l.cancelled():
			waiting = l.passed()
		}
	}
	cancelled := errors.Is(l.ctx.Err(), context.Canceled)
	if t.abandon(c, cancelled) {
		return t.outcome(c)
	}
	if cancelled {
		return afterSending(l.ended())
	}
	return &Error{Kind: Timeout, Sent: true, Err: fmt.Errorf("unit %d at %s did not answer within %v: check the unit id, and that the device is on", c.unit, t.o.Address, l.timeout.Round(time.Millisecond))}
}

// outcome is the error of a call that was answered, by its reply or by the end of the connection.
func (t *TCP) outcome(c *call) error {
	switch {
	case c.err == nil:
		return nil
	case t.life.Err() != nil:
		return &Error{Kind: Closed, Sent: true, Err: errClosed}
	}
	return &Error{Kind: Unavailable, Sent: true, Err: fmt.Errorf("the connection to %s was lost while the reply was waited for: %w", t.o.Address, reason(c.err))}
}

// abandon gives a call up, unless it was answered meanwhile. If that is the
// connection's fault, the next request connects anew.
func (t *TCP) abandon(c *call, cancelled bool) (answered bool) {
	t.mu.Lock()
	conn := c.conn
	answered = !conn.forget(c)
	broken := !answered && !cancelled && conn.givenUp(c)
	t.rested()
	t.mu.Unlock()
	if answered {
		<-c.done
	} else if broken {
		conn.fail(errNoAnswer)
	}
	return answered
}

// connect returns the connection, and makes one if there is none.
func (t *TCP) connect(l *limit) (*conn, error) {
	if conn := t.current(); conn != nil {
		return conn, nil
	}
	if _, err := acquire(l, t.dial); err != nil {
		return nil, err
	}
	defer func() { t.dial <- struct{}{} }()
	if conn := t.current(); conn != nil { // another caller's
		return conn, nil
	}
	t.mu.Lock()
	err := t.backoff.refuse(time.Now())
	t.mu.Unlock()
	if err != nil {
		return nil, &Error{Kind: Unavailable, Err: err}
	}
	ctx, cancel := l.dialContext()
	defer cancel()
	socket, err := t.open(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		return nil, l.notOpened(err, &t.backoff)
	}
	t.conn = &conn{Conn: socket, owner: t, datagrams: t.o.Network == "udp", gathers: t.o.Network != "udp" && t.o.InFlight > 1}
	t.rested()
	t.readers.Go(t.conn.read)
	return t.conn, nil
}

func (t *TCP) current() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn
}
