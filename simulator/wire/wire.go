// Package wire is a line in memory: what one station says, all others hear, as on a
// serial line with several devices. With two stations it is a connection.
//
// A station is a [net.Conn]. It keeps what it heard until it is read, 64 KiB at most;
// beyond that bytes are lost, as they are in a receiver that overruns. Saying
// something never waits, and nothing on the line takes time.
package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const capacity = 64 << 10 // bytes that a station keeps

// Wire is a line. Its stations may be used by any number of goroutines.
type Wire struct {
	mu       sync.Mutex
	stations []*Station
	pair     bool // it is a connection: its end is that of both
}

// New returns a line without stations.
func New() *Wire { return &Wire{} }

// Pipe returns both ends of a connection: what is said at one is heard at the other,
// and one that is closed ends the other's reading.
func Pipe() (a, b *Station) {
	w := &Wire{pair: true}
	return w.Join(), w.Join()
}

// Join returns a new station.
func (w *Wire) Join() *Station {
	s := &Station{wire: w}
	s.more.L = &s.mu
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stations = append(w.stations, s)
	return s
}

func (w *Wire) leave(s *Station) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stations = slices.DeleteFunc(w.stations, func(other *Station) bool { return other == s })
	if !w.pair {
		return
	}
	for _, other := range w.stations {
		other.hangUp()
	}
}

// say lets all stations but one hear b. Whoever speaks holds the line: what two say
// at once does not mix.
func (w *Wire) say(from *Station, b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pair && len(w.stations) == 1 {
		return io.ErrClosedPipe
	}
	for _, s := range w.stations {
		if s != from {
			s.hear(b)
		}
	}
	return nil
}

// Station is one place on a wire.
type Station struct {
	wire *Wire

	mu     sync.Mutex
	more   sync.Cond // heard, ended, closed or the deadline changed
	heard  []byte
	ended  bool // nobody will say anything any more
	closed bool
	limit  time.Time // of reading
	alarm  *time.Timer
}

var _ net.Conn = (*Station)(nil)

func (s *Station) hear(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, b[:min(len(b), capacity-len(s.heard))]...)
	s.more.Broadcast()
}

func (s *Station) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.more.Broadcast()
}

// Read waits until something was heard. The error is [os.ErrDeadlineExceeded],
// [net.ErrClosed] after Close, or [io.EOF] when a connection has ended.
func (s *Station) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.heard) == 0 || s.closed {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.ended:
			return 0, io.EOF
		case !s.limit.IsZero() && !time.Now().Before(s.limit):
			return 0, os.ErrDeadlineExceeded
		}
		s.more.Wait()
	}
	n := copy(b, s.heard)
	s.heard = s.heard[:copy(s.heard, s.heard[n:])]
	return n, nil
}

// Write says all of b at once.
func (s *Station) Write(b []byte) (int, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	if err := s.wire.say(s, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close leaves the line, and ends a Read that waits.
func (s *Station) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.stopAlarm()
	s.more.Broadcast()
	s.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	s.wire.leave(s)
	return nil
}

// Flush forgets what was heard and not read.
func (s *Station) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = s.heard[:0]
	return nil
}

// SetDeadline is SetReadDeadline: nothing waits to be written.
func (s *Station) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetReadDeadline sets when a Read gives up; the zero time is never.
func (s *Station) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the station has left the line")
	}
	s.limit = t
	s.stopAlarm()
	if !t.IsZero() {
		s.alarm = time.AfterFunc(time.Until(t), s.wake)
	}
	s.more.Broadcast()
	return nil
}

// SetWriteDeadline has nothing to do.
func (s *Station) SetWriteDeadline(time.Time) error { return nil }

func (s *Station) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
}

func (s *Station) stopAlarm() {
	if s.alarm != nil {
		s.alarm.Stop()
	}
}

// LocalAddr and RemoteAddr are the same for all stations.
func (s *Station) LocalAddr() net.Addr { return address{} }

// RemoteAddr is as LocalAddr.
func (s *Station) RemoteAddr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }
