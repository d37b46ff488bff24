package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	connectTimeout = 10 * time.Second // from opening a connection to its whole CONNECT packet
	writeTimeout   = 20 * time.Second // for one write to be taken by the client's side
	closeTimeout   = time.Second      // for the last packets of a closing connection
	highWater      = 256 << 10        // bytes waiting, above which messages wait too
	maxWaiting     = 2 * maxPacket    // bytes waiting, above which a client is given up
)

var errTooSlow = errors.New("the client reads too slowly")

// conn is a client's connection as the library sees it: what it writes is handed
// to a goroutine of the connection, because the library holds locks that all other
// clients need while it writes; and its CONNECT packet is mended on its way in.
type conn struct {
	net.Conn
	in      io.Reader // nil until the first read
	version byte      // protocol version, set by the first read
	closed  chan struct{}
	settled chan struct{} // closed when the library is done with the connection
	session session

	mu      sync.Mutex
	changed sync.Cond // of all below
	out     []byte    // whole packets waiting to be written
	closing bool
	discard bool // what waits is not worth writing any more
}

func newConn(socket net.Conn) *conn {
	c := &conn{Conn: socket, closed: make(chan struct{}), settled: make(chan struct{})}
	c.changed.L = &c.mu
	return c
}

// Read reads what the client sends, its CONNECT packet mended.
func (c *conn) Read(p []byte) (int, error) {
	if c.in == nil {
		_ = c.SetReadDeadline(time.Now().Add(connectTimeout)) // the library sets its own after the CONNECT
		body, err := readConnect(c.Conn)
		if err != nil {
			return 0, err
		}
		first := parseConnect(body)
		c.version = first.version
		c.in = io.MultiReader(bytes.NewReader(appendPacket(nil, first.body)), c.Conn)
	}
	return c.in.Read(p)
}

// Write takes one whole packet and never waits for the client.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] == 0xE0 && c.version < 5 {
		return len(p), nil // a server's DISCONNECT is MQTT 5 only
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return 0, net.ErrClosed
	}
	if len(c.out)+len(p) > maxWaiting {
		c.discard = true
		c.close()
		return 0, errTooSlow
	}
	c.out = append(c.out, p...)
	c.changed.Broadcast()
	return len(p), nil
}

// awaitRoom waits until less than highWater waits to be written, or the end.
func (c *conn) awaitRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > highWater && !c.closing {
		c.changed.Wait()
	}
}

// SetDeadline sets when reading ends; writing has its own deadlines.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Close lets the goroutine of [conn.writeLoop] write what waits, and close the socket.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
	return nil
}

func (c *conn) close() {
	if c.closing {
		return
	}
	c.closing = true
	close(c.closed)
	_ = c.SetWriteDeadline(time.Now().Add(closeTimeout))
	c.changed.Broadcast()
}

// writeLoop owns the writing side of the socket until the connection ends.
func (c *conn) writeLoop() {
	defer func() { _ = c.Conn.Close() }()
	var batch []byte
	for {
		var more bool
		if batch, more = c.take(batch); !more {
			return
		}
		if _, err := c.Conn.Write(batch); err != nil {
			c.mu.Lock()
			c.discard = true
			c.close()
			c.mu.Unlock()
			return
		}
	}
}

// take waits for something to write and returns it; the next call may reuse it.
func (c *conn) take(used []byte) (batch []byte, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 && !c.closing {
		c.changed.Wait()
	}
	batch, c.out = c.out, nil
	if cap(used) <= highWater {
		c.out = used[:0]
	}
	if !c.closing {
		_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	c.changed.Broadcast()
	return batch, len(batch) > 0 && !c.discard
}
