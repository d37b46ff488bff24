package transport

import (
	"errors"
	"io"
	"sync"
	"time"
)

// maxUnread bounds what a link keeps while nobody takes it. More than a few frames
// that nobody asked for is noise, and is dropped.
const maxUnread = 4096

// link is one open port. Its reader takes bytes from the port as they come, so
// that the time of the last one is known, nothing old waits in the operating
// system's buffer, and a port that is gone is closed at once even while idle.
type link struct {
	port    Port
	timing  Timing
	arrived chan struct{} // has a token when there is something new; capacity 1

	mu       sync.Mutex
	unread   []byte
	last     time.Time // when a byte was last received, at first when the port was opened
	received uint64    // bytes, ever
	err      error     // why the link is dead

	// Of the one who has the turn:
	requests uint64
	silence  silence
}

func newLink(port Port) *link {
	return &link{port: port, timing: port.Timing(), arrived: make(chan struct{}, 1), last: time.Now()}
}

// read runs until the port fails or is closed.
func (l *link) read() {
	buf := make([]byte, 512)
	for {
		n, err := l.port.Read(buf)
		if n > 0 {
			l.append(buf[:n])
		}
		if err != nil {
			l.close(err)
			return
		}
	}
}

func (l *link) append(b []byte) {
	l.mu.Lock()
	if len(l.unread)+len(b) > maxUnread {
		l.unread = l.unread[:0]
	}
	l.unread = append(l.unread, b...)
	l.received += uint64(len(b))
	l.last = time.Now()
	l.mu.Unlock()
	l.notify()
}

func (l *link) notify() {
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// take moves what was received to dst. An error says that the link is dead and
// nothing more will come.
func (l *link) take(dst []byte) (_ []byte, last time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dst = append(dst, l.unread...)
	l.unread = l.unread[:0]
	return dst, l.last, l.err
}

// dead returns why the link is dead, nil if it is not known to be.
func (l *link) dead() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// count returns how many bytes were ever received.
func (l *link) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received
}

// givenUp notes that a request which was sent when the link had received so much got
// no reply in time, and reports whether the link is to be given up with it.
func (l *link) givenUp(before uint64, sent time.Time) bool {
	if !l.timing.network() || l.count() != before {
		return false
	}
	l.requests++
	second := l.silence.note(l.requests, l.requests, before)
	port, ok := l.port.(acknowledger)
	return second || ok && time.Since(sent) > longestAcknowledgement && port.unacknowledged()
}

// close closes the port because of why; only the first reason is kept.
func (l *link) close(why error) {
	if errors.Is(why, io.EOF) {
		why = errors.New("it was closed by the other side")
	}
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = why
	}
	l.mu.Unlock()
	if first {
		_ = l.port.Close() // the link is dead for a reason that says more
		l.notify()
	}
}
