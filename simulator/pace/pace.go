// Package pace makes lines that have no speed as slow as a serial line: bytes arrive when
// their last bit would, and a reply begins after the silence that follows its request.
package pace

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

// Speed returns how long a character takes on the line now, and the silence between two
// frames.
type Speed func() (char, silence time.Duration)

// Line makes a line as slow as that.
func Line(line io.ReadWriteCloser, speed Speed) io.ReadWriteCloser {
	return &pacedLine{ReadWriteCloser: line, speed: speed, closed: make(chan struct{})}
}

// pacedLine passes bytes on when they would have arrived: what is read after the time
// that the sender needs, what is written one byte after the other. A reply begins
// after the silence that follows its request. One goroutine reads and one writes.
type pacedLine struct {
	io.ReadWriteCloser
	speed  Speed
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	busy time.Time // the last byte is over by then
}

// Read returns bytes when the last of them has arrived.
func (l *pacedLine) Read(b []byte) (int, error) {
	n, err := l.ReadWriteCloser.Read(b)
	char, _ := l.speed()
	l.mu.Lock()
	l.busy = later(l.busy, time.Now()).Add(time.Duration(n) * char)
	over := l.busy
	l.mu.Unlock()
	if !l.wait(over) && err == nil {
		return 0, net.ErrClosed
	}
	return n, err
}

// Write writes each byte when its last bit has left.
func (l *pacedLine) Write(b []byte) (int, error) {
	char, silence := l.speed()
	l.mu.Lock()
	start := later(l.busy.Add(silence), time.Now())
	l.mu.Unlock()
	end := start.Add(time.Duration(len(b)) * char)
	for sent := 0; sent < len(b); {
		next := start.Add(time.Duration(sent+1) * char)
		if end.Sub(next) < coarse { // a late timer must not pass the end
			next = l.exactly(next)
		}
		if !l.wait(next) {
			return sent, net.ErrClosed
		}
		due := min(len(b), max(sent+1, int(time.Since(start)/char)))
		n, err := l.write(b[sent:due])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	l.mu.Lock()
	l.busy = later(l.busy, end) // the next request may have come already
	l.mu.Unlock()
	return len(b), nil
}

// lineTimeout is how long a line may refuse what is written, beyond its pace.
const lineTimeout = 5 * time.Second

func (l *pacedLine) write(b []byte) (int, error) {
	if d, ok := l.ReadWriteCloser.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := d.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
			return 0, err
		}
	}
	return l.ReadWriteCloser.Write(b)
}

// coarse is how late a timer may be.
const coarse = 1200 * time.Microsecond

// exactly waits until shortly before t, and then watches the clock.
func (l *pacedLine) exactly(t time.Time) time.Time {
	l.wait(t.Add(-coarse))
	for time.Now().Before(t) {
		runtime.Gosched()
	}
	return t
}

// wait waits until t and returns false if the line was closed.
func (l *pacedLine) wait(t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// Close ends what waits.
func (l *pacedLine) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.ReadWriteCloser.Close()
}

// SetWriteDeadline has no effect: a slow line is not one that refuses what is written,
// for which Write has a deadline of its own.
func (l *pacedLine) SetWriteDeadline(time.Time) error { return nil }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Listener returns a listener whose connections are as slow as that.
func Listener(l net.Listener, speed Speed) net.Listener { return pacedListener{l, speed} }

type pacedListener struct {
	net.Listener
	speed Speed
}

func (l pacedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return pacedConn{conn, Line(conn, l.speed)}, nil
}

// pacedConn is a connection with a line in between.
type pacedConn struct {
	net.Conn
	line io.ReadWriteCloser
}

func (c pacedConn) Read(b []byte) (int, error)       { return c.line.Read(b) }
func (c pacedConn) Write(b []byte) (int, error)      { return c.line.Write(b) }
func (c pacedConn) Close() error                     { return c.line.Close() }
func (c pacedConn) SetWriteDeadline(time.Time) error { return nil }
