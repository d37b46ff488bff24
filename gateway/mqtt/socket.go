package mqtt

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"modferry/modbus/quickconn"
)

// socket is the TCP connection below a wire. It takes note of when bytes come, and
// acknowledges them at once: see quickAck.
type socket struct {
	*quickconn.Conn
	quick    quickAck
	owing    bool // an acknowledgement; Read's
	born     time.Time
	received atomic.Int64 // when bytes came last, in nanoseconds after born
	heard    atomic.Int64 // the same by [sinceBoot]
	silence  atomic.Int64 // the longest time between two of those
}

func newSocket(c net.Conn) (*socket, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("it is not a TCP connection")
	}
	s := &socket{Conn: quickconn.New(tcp), born: time.Now()}
	s.heard.Store(int64(sinceBoot()))
	s.quick.use(tcp)
	return s, nil
}

// Read lets those go first who wait for what came before, for the next read rarely
// finds anything at once, and acknowledging takes time.
func (s *socket) Read(p []byte) (int, error) {
	if s.owing {
		s.owing = false
		runtime.Gosched()
		s.quick.acknowledge()
	}
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.received.Store(int64(time.Since(s.born)))
		now := int64(sinceBoot())
		if gap := now - s.heard.Swap(now); gap > s.silence.Load() {
			s.silence.Store(gap)
		}
		s.owing = true
	}
	return n, err
}

// abort ends all waiting on the connection.
func (s *socket) abort() { _ = s.SetDeadline(time.Unix(1, 0)) }
