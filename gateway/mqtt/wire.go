package mqtt

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// socket is the TCP connection below a wire.
type socket struct {
	net.Conn
	born     time.Time
	received atomic.Int64 // when bytes came last, nanoseconds after born
}

func newSocket(c net.Conn) *socket { return &socket{Conn: c, born: time.Now()} }

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.received.Store(int64(time.Since(s.born)))
	}
	return n, err
}

// wire is a connection to a broker as the MQTT libraries use it.
type wire struct {
	net.Conn
	tcp   *socket
	ended atomic.Bool
}

func newWire(c net.Conn, tcp *socket, _ func()) *wire {
	if c == nil {
		return nil
	}
	return &wire{Conn: c, tcp: tcp}
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		w.ended.Store(true)
	}
	return n, err
}

// lastReceived is when bytes came last, the time of connecting if none did.
func (w *wire) lastReceived() time.Time {
	return w.tcp.born.Add(time.Duration(w.tcp.received.Load()))
}

// eof reports whether the broker ended the stream in order.
func (w *wire) eof() bool { return w.ended.Load() }

// Lock and Unlock keep the parts of one packet together, which paho.golang writes one by one.
func (w *wire) Lock() {}

// Unlock see Lock.
func (w *wire) Unlock() {}
