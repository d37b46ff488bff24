package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"modferry/gateway/broker/packet"
)

// Times and sizes of one connection.
const (
	connectTimeout = 10 * time.Second // from opening a connection to its whole CONNECT packet
	packetTimeout  = 30 * time.Second // from the first byte of a packet to its last one
	writeTimeout   = 20 * time.Second // for one write to be taken by the client's side
	closeTimeout   = time.Second      // for the last packets of a closing connection
	syncTimeout    = 5 * time.Second  // for the disk, before a message is acknowledged all the same
	roomTimeout    = 10 * time.Second // for a place among the large packets that are being received

	readBuffer   = 4 << 10
	batchBytes   = 32 << 10  // gathered for one write
	largePayload = 4 << 10   // bytes of a payload that is written without a copy
	largePacket  = 32 << 10  // bytes of a packet that needs a place to be received
	maxControl   = 64 << 10  // bytes of answers that the client does not read, above which nothing more is read from it
	maxAcks      = 16 << 10  // bytes of answers held back while more packets are there already
	windowBytes  = 512 << 10 // of messages sent and not acknowledged
	window       = 256       // of such messages
)

// client is one connection. Two goroutines serve it: one reads and does what the
// packets ask for, the other writes what waits.
type client struct {
	hub    *hub
	conn   net.Conn
	remote string
	in     *bufio.Reader
	place  *place // among the connections

	// Of the reading goroutine.
	version   byte
	keepAlive time.Duration
	acks      []byte // answers that are not handed over yet
	sync      bool   // they must wait for the disk
	pinged    bool   // one of them is a PINGRESP

	// Guarded by the hub's lock.
	session     *session
	control     []byte      // answers to write, whole packets
	after       []byte      // answers to write when the messages of now were written
	resend      fifo        // of a resumed session
	writing     []*message  // messages of the write in progress
	outstanding int         // messages sent and not acknowledged
	outBytes    int         // of them
	receiveMax  int         // most of them
	maxPacket   int         // bytes; 0 = any
	closing     bool        // write what is in control, then close
	warned      bool        // that it publishes where it may not
	user        credentials // that it came with

	wake chan struct{} // something to write
	room chan struct{} // control was written
	done chan struct{} // closed when the writing goroutine has ended
}

// credentials are kept to see whether they still hold after a reload.
type credentials struct {
	name string
	hash [32]byte
}

func newClient(h *hub, conn net.Conn, p *place) *client {
	return &client{
		hub: h, conn: conn, place: p, remote: conn.RemoteAddr().String(), in: bufio.NewReaderSize(conn, readBuffer),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// serve speaks MQTT until the connection has ended.
func (c *client) serve(ctx context.Context) {
	go c.write()
	err := c.guarded(ctx)
	c.hub.leave(c, err)
	<-c.done
}

// guarded reads until the connection ends. The gateway, which lives in the same
// process, must not end with a mistake here.
func (c *client) guarded(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the broker failed: %v", cause)
			c.hub.log.Error("mqtt connection closed: the broker failed", "remote", c.remote, "error", err, "stack", string(debug.Stack()))
		}
	}()
	return c.read(ctx)
}

// read is the reading goroutine.
func (c *client) read(ctx context.Context) error {
	_ = c.conn.SetReadDeadline(time.Now().Add(connectTimeout))
	header, body, free, err := c.receive(ctx, maxConnect)
	if err != nil {
		return err
	}
	defer free()
	if err := c.connect(header, body); err != nil {
		return err
	}
	free()
	for {
		if c.in.Buffered() == 0 {
			if err := c.flush(); err != nil {
				return err
			}
			c.awaitPacket()
		}
		header, body, free, err := c.receive(ctx, maxPacket)
		if err != nil {
			return err
		}
		err = c.process(header, body)
		free()
		if err == nil && len(c.acks) > maxAcks {
			err = c.flush()
		}
		if err != nil {
			_ = c.flush()
			return err
		}
	}
}

// awaitPacket sets how long the client may be silent [MQTT-3.1.2-22].
func (c *client) awaitPacket() {
	var by time.Time
	if c.keepAlive > 0 {
		by = time.Now().Add(c.keepAlive + c.keepAlive/2)
	}
	_ = c.conn.SetReadDeadline(by)
}

// receive reads one packet. A large one takes a place among the few that may be
// received at a time, until free is called.
func (c *client) receive(ctx context.Context, most int) (header byte, body []byte, free func(), err error) {
	free = func() {}
	if header, err = c.in.ReadByte(); err != nil {
		return 0, nil, free, err
	}
	if c.session != nil && c.in.Buffered() < 4 {
		_ = c.conn.SetReadDeadline(time.Now().Add(packetTimeout))
	}
	size, err := readLength(c.in)
	switch {
	case err != nil:
		return 0, nil, free, err
	case c.session == nil && header != byte(packet.CONNECT)<<4:
		return 0, nil, free, errNotConnect
	case size > most:
		return 0, nil, free, &packet.Error{Code: packet.TooLarge, Text: "the packet is too large"}
	}
	if size > largePacket {
		if free, err = c.hub.receiving.take(ctx, size); err != nil {
			return 0, nil, func() {}, err
		}
	}
	if c.session != nil && c.in.Buffered() < size {
		_ = c.conn.SetReadDeadline(time.Now().Add(packetTimeout))
	}
	body = make([]byte, size)
	if _, err = io.ReadFull(c.in, body); err != nil {
		free()
	}
	return header, body, free, err
}

// errNotConnect: a connection began with something that is not an MQTT CONNECT packet.
var errNotConnect = errors.New("it did not begin with an MQTT CONNECT packet")

// readLength reads the remaining length of a packet [MQTT 5, 2.1.4].
func readLength(r io.ByteReader) (int, error) {
	n := 0
	for shift := 0; shift <= 21; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7F) << shift
		if b&0x80 == 0 {
			return n, nil
		}
	}
	return 0, &packet.Error{Code: packet.MalformedPacket, Text: "the length of a packet has more than four bytes"}
}

// flush hands the answers over to be written, when what they say is on disk. It
// waits while the client does not read its answers.
func (c *client) flush() error {
	if len(c.acks) == 0 {
		return nil
	}
	if c.sync {
		c.sync = false
		c.hub.store.sync(syncTimeout)
	}
	for {
		c.hub.mu.Lock()
		if c.closing {
			c.hub.mu.Unlock()
			return net.ErrClosed
		}
		if c.answer() {
			c.hub.mu.Unlock()
			return nil
		}
		c.hub.mu.Unlock()
		select {
		case <-c.room:
		case <-c.done:
			return net.ErrClosed
		}
	}
}

// answer hands the answers over if there is room. A PINGRESP comes after the messages
// that were there before it, so that a client knows by it that it has them.
func (c *client) answer() bool {
	if len(c.control)+len(c.after) > maxControl {
		return false
	}
	if c.pinged || len(c.after) > 0 {
		c.after = append(c.after, c.acks...)
	} else {
		c.control = append(c.control, c.acks...)
	}
	c.acks, c.pinged = c.acks[:0], false
	c.poke()
	return true
}

// poke tells the writing goroutine that there is something to do.
func (c *client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close ends the connection in order: what is in control is written first. The hub's lock is held.
func (c *client) close(reason byte) {
	if c.closing {
		return
	}
	c.control, c.after = append(c.control, c.after...), nil
	if reason != 0 {
		c.control = packet.AppendDisconnect(c.control, c.version, reason)
	}
	c.closing = true
	_ = c.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	c.poke()
}

// cut ends the connection at once.
func (c *client) cut() {
	c.control, c.after = nil, nil
	c.close(0)
	_ = c.conn.SetWriteDeadline(time.Unix(1, 0))
}

// leave ends the connection of a client whose reading goroutine ends with err.
func (h *hub) leave(c *client, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	reason := byte(0)
	var wrong *packet.Error
	if errors.As(err, &wrong) && c.session != nil {
		reason = wrong.Code
		h.log.warn("malformed", "mqtt connection closed: the client sent what it must not", "client", c.session.id, "remote", c.remote, "error", err)
	} else {
		h.log.debug("mqtt connection ended", "remote", c.remote, "error", err)
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() && c.session != nil {
		reason = packet.KeepAliveTimeout
	}
	c.close(reason)
	h.detach(c)
}

// packetSize returns the size of the whole packet at the beginning of p.
func packetSize(p []byte) int {
	if len(p) < 2 {
		return len(p)
	}
	n, size := binary.Uvarint(p[1:])
	if size <= 0 {
		return len(p)
	}
	return min(len(p), 1+size+int(n))
}
