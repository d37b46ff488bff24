package mqtt

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxPending = 64 << 10               // bytes that wait to be sent; a Write beyond it waits
	readAhead  = 4 << 10                // the libraries read a packet in three pieces
	lastFlush  = time.Second            // for all that waits when a wire is closed, and the goodbye
	linger     = 250 * time.Millisecond // of that, for the broker to end its side
)

// wire is a connection to a broker as the MQTT libraries use it, over TCP, TLS or a
// WebSocket. Writes are gathered: they return when their bytes are in a buffer, and a
// goroutine of the wire sends all that is there, in one segment if it fits. So an
// acknowledgement and the reply after it leave together, and so do the parts of a
// packet that are written one by one. There is no waiting for more.
//
// An error in sending ends the connection: Read and the next Write return it. One
// goroutine may read, any may write.
type wire struct {
	conn    net.Conn // TCP, TLS or WebSocket
	tcp     *socket  // below it
	leave   func()   // ends the stream in order; nil = as TCP does
	in      *bufio.Reader
	greeted bool   // Read has seen how the broker begins
	begin   []byte // the first four bytes of that
	ended   atomic.Bool
	warning error // that the user should know of, though the connection was made
	window  window

	packet sync.Mutex    // held from Lock to Unlock
	turn   sync.Mutex    // held by the Write that adds to pending
	room   chan struct{} // one token: pending has become shorter, or the deadline has changed
	wake   chan struct{} // one token: the sender should look
	eased  chan struct{} // one token: a Write has ended that had to wait, or pending has become shorter
	sent   chan struct{} // closed when the sender has ended, and the connection with it

	mu       sync.Mutex
	pending  []byte    // not sent yet
	whole    bool      // pending ends with a whole packet as far as is known
	deadline time.Time // of Write
	err      error     // why nothing can be sent any more
	closing  bool
	blocked  bool // a Write waits for room
}

// newWire takes over conn and the TCP connection below it. leave ends conn in order.
func newWire(conn net.Conn, tcp *socket, leave func()) *wire {
	w := &wire{
		conn: conn, tcp: tcp, leave: leave, in: bufio.NewReaderSize(conn, readAhead), whole: true, begin: make([]byte, 0, 4),
		room: make(chan struct{}, 1), wake: make(chan struct{}, 1), eased: make(chan struct{}, 1), sent: make(chan struct{}),
	}
	w.window.limit = leastAhead
	go w.send()
	return w
}

// lastReceived is when bytes came last, or the connection was made. It has a monotonic
// reading: a clock that is set does not matter.
func (w *wire) lastReceived() time.Time {
	return w.tcp.born.Add(time.Duration(w.tcp.received.Load()))
}

// silence is the longest time in which nothing came, over all of the connection. Time
// in which the process stood still or the machine slept counts.
func (w *wire) silence() time.Duration { return time.Duration(w.tcp.silence.Load()) }

// eof reports whether it was the broker who ended the stream.
func (w *wire) eof() bool { return w.ended.Load() }

// Read returns what the broker sends. Errors are in words, except the ends io.EOF and net.ErrClosed.
func (w *wire) Read(p []byte) (int, error) {
	if !w.greeted && len(p) > 0 {
		if _, err := w.in.Peek(1); err != nil {
			return 0, w.readError(err)
		}
		w.greeted = true
		first, _ := w.in.Peek(w.in.Buffered())
		if err := greeting(first); err != nil {
			return 0, err
		}
	}
	n, err := w.in.Read(p)
	w.window.received(p[:n], time.Now())
	if more := min(n, cap(w.begin)-len(w.begin)); more > 0 {
		w.begin = append(w.begin, p[:more]...)
	}
	if err != nil {
		err = w.readError(err)
	}
	return n, err
}

// refusesVersion reports whether the broker answered as MQTT 3.1.1 wants it when the
// version is not the right one. Read must not run.
func (w *wire) refusesVersion() bool {
	return len(w.begin) == 4 && w.begin[0] == 0x20 && w.begin[1] == 2 && w.begin[3] == 1
}

// over reports whether the connection has ended at this side.
func (w *wire) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing || w.err != nil
}

func (w *wire) readError(err error) error {
	w.mu.Lock()
	failure, closing := w.err, w.closing
	w.mu.Unlock()
	_, secured := w.conn.(*tls.Conn)
	switch {
	case closing:
		return net.ErrClosed
	case failure != nil && errors.Is(err, net.ErrClosed):
		return failure
	case endedBy(err) && !w.greeted:
		w.ended.Store(true)
		return endedEarly("the greeting", secured, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		w.ended.Store(true)
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	return dialError(err)
}

// LocalAddr is our end of the TCP connection.
func (w *wire) LocalAddr() net.Addr { return w.tcp.LocalAddr() }

// RemoteAddr is the other end of the TCP connection: the broker or a proxy.
func (w *wire) RemoteAddr() net.Addr { return w.tcp.RemoteAddr() }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (w *wire) SetDeadline(t time.Time) error {
	return errors.Join(w.SetReadDeadline(t), w.SetWriteDeadline(t))
}

// SetReadDeadline bounds the waiting of Read. A deadline that ends a Read over TLS or
// WebSocket leaves the connection unusable.
func (w *wire) SetReadDeadline(t time.Time) error { return w.tcp.SetReadDeadline(t) }

// SetWriteDeadline bounds the waiting of Write for room. What is in the buffer is sent
// whenever the broker takes it, as with the buffer that a socket has.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	w.deadline = t
	w.mu.Unlock()
	rouse(w.room)
	return nil
}

// rouse puts a token into a channel of one if there is none.
func rouse(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
