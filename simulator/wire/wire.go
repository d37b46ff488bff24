// Package wire is a line in memory: what one station says, all others hear, as on a
// serial line with several devices. With two stations it is a connection.
//
// A station is a [net.Conn]. It keeps what it heard until it is read, 64 KiB at most.
// On a line bytes are lost beyond that, as they are in a receiver that overruns; on
// a connection whoever says more waits. Nothing else takes time.
package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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
func (w *Wire) say(from *Station, b []byte) (int, error) {
	if w.pair {
		return w.tell(from, b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stations {
		if s != from {
			s.hear(b)
		}
	}
	return len(b), nil
}

// tell lets the other end of a connection hear all of b.
func (w *Wire) tell(from *Station, b []byte) (int, error) {
	w.mu.Lock()
	i := slices.IndexFunc(w.stations, func(s *Station) bool { return s != from })
	if i < 0 {
		w.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	other := w.stations[i]
	w.mu.Unlock()
	return other.hearAll(from, b)
}

// Station is one place on a wire.
type Station struct {
	wire *Wire

	mu    sync.Mutex
	more  sync.Cond // heard, ended, closed or the deadline changed
	heard []byte
	ended bool      // nobody will say anything any more
	limit time.Time // of reading
	alarm *time.Timer

	closed  atomic.Bool
	patient atomic.Pointer[time.Time] // limit of writing, nil = none
}

var _ net.Conn = (*Station)(nil)

func (s *Station) hear(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, b[:min(len(b), capacity-len(s.heard))]...)
	s.more.Broadcast()
}

// hearAll waits for room, until either end is closed or the writer's time is over.
func (s *Station) hearAll(from *Station, b []byte) (n int, err error) {
	if limit := from.patient.Load(); limit != nil {
		alarm := time.AfterFunc(time.Until(*limit), s.wake)
		defer alarm.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(b) {
		room := capacity - len(s.heard)
		limit := from.patient.Load()
		switch {
		case s.closed.Load():
			return n, io.ErrClosedPipe
		case from.closed.Load():
			return n, net.ErrClosed
		case limit != nil && !time.Now().Before(*limit):
			return n, os.ErrDeadlineExceeded
		case room == 0:
			s.more.Wait()
			continue
		}
		part := b[n:min(len(b), n+room)]
		s.heard = append(s.heard, part...)
		n += len(part)
		s.more.Broadcast()
	}
	return n, nil
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
	for len(s.heard) == 0 || s.closed.Load() {
		switch {
		case s.closed.Load():
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
	s.more.Broadcast() // there is room
	return n, nil
}

// Write says all of b. The error is [net.ErrClosed] after Close, and on a connection
// [io.ErrClosedPipe] after that of the other end, or [os.ErrDeadlineExceeded].
func (s *Station) Write(b []byte) (int, error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return s.wire.say(s, b)
}

// Close leaves the line, and ends a Read that waits.
func (s *Station) Close() error {
	s.mu.Lock()
	again := s.closed.Swap(true)
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
	s.more.Broadcast() // there is room
	return nil
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (s *Station) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline sets when a Read gives up; the zero time is never.
func (s *Station) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	s.limit = t
	s.stopAlarm()
	if !t.IsZero() {
		s.alarm = time.AfterFunc(time.Until(t), s.wake)
	}
	s.more.Broadcast()
	return nil
}

// SetWriteDeadline sets when the next Write gives up; the zero time is never.
func (s *Station) SetWriteDeadline(t time.Time) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	if t.IsZero() {
		s.patient.Store(nil)
	} else {
		s.patient.Store(&t)
	}
	return nil
}

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
