package wire

import (
	"context"
	"net"
	"sync"
)

// Listener takes connections in memory.
type Listener struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener that is connected to with its Dial.
func Listen() *Listener {
	return &Listener{waiting: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects, as soon as the other side accepts. The error is that of ctx, or
// [net.ErrClosed].
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	near, far := Pipe()
	select {
	case l.waiting <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection; the error is [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.waiting:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial; connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is no address that anyone outside could use.
func (l *Listener) Addr() net.Addr { return address{} }
