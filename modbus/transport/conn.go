package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"

	"modferry/modbus"
)

// errLost is given to a request that finds its connection dead before it is sent.
var errLost = errors.New("the connection was lost before the request was sent")

// call is one request in flight. Its buffers and clock are used again by later ones.
type call struct {
	frame    []byte // as sent, with our transaction id
	callerID uint16
	id       uint16
	unit     byte
	function byte
	clock    *time.Timer
	done     chan struct{} // gets a token when reply or err is set; capacity 1

	// Guarded by TCP.mu from when the call is sent until done has its token:
	conn  *conn
	nth   uint64 // of the connection's requests
	seen  uint64 // what the connection had received when it was sent
	sent  time.Time
	reply []byte
	err   error
}

// prepare makes c the call for a valid request ADU, which is copied.
func (c *call) prepare(adu []byte) {
	c.frame = append(c.frame[:0], adu...)
	c.callerID = binary.BigEndian.Uint16(adu)
	c.unit, c.function = adu[modbus.HeaderSize-1], adu[modbus.HeaderSize]
	c.reply, c.err = nil, nil
}

func (c *call) answer(reply []byte, err error) {
	c.reply, c.err = reply, err
	c.done <- struct{}{}
}

// conn is one connection to a server, with the calls whose replies may come on it.
type conn struct {
	net.Conn
	owner     *TCP
	datagrams bool
	gathers   bool // requests made at the same time leave together
	gather    gather

	// Guarded by owner.mu:
	pending  []*call
	requests uint64
	received uint64 // reads that brought something
	silence  silence
	writeBy  time.Time // the write deadline
	err      error     // why the connection is dead
}

// send writes the frame of c and returns how many bytes may have left. After an
// error the connection is dead and c is not pending.
func (c *conn) send(call *call) (int, error) {
	if err := c.begin(call); err != nil {
		return 0, err
	}
	n, err := c.put(call.frame)
	if err == nil {
		return n, nil
	}
	if c.owner.o.TLS != nil {
		n = len(call.frame) // TLS does not tell how much of a record has left
	}
	c.fail(err)
	<-call.done
	if call.err == nil { // it left together with others, and was answered before the rest failed
		call.done <- struct{}{}
	}
	return n, call.err // which is why the reader closed it, if that came first
}

// begin makes call pending under a transaction id of its own.
func (c *conn) begin(call *call) error {
	t := c.owner
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.err != nil {
		return fmt.Errorf("%w: %s", errLost, reason(c.err).Error()) // as text: its kind is not that of this request
	}
	if t.life.Err() != nil {
		return errLost
	}
	now := time.Now()
	if err := c.extendWrites(now); err != nil {
		return err
	}
	t.id++
	c.requests++
	call.id, call.conn, call.nth, call.seen, call.sent = t.id, c, c.requests, c.received, now
	binary.BigEndian.PutUint16(call.frame, t.id)
	c.pending = append(c.pending, call)
	return nil
}

// extendWrites keeps the write deadline between one and two allowances away,
// which spares most requests the setting of it.
func (c *conn) extendWrites(now time.Time) error {
	if c.writeBy.Sub(now) >= writeAllowance {
		return nil
	}
	c.writeBy = now.Add(2 * writeAllowance)
	return c.SetWriteDeadline(c.writeBy)
}

// forget takes call out of the pending ones, and reports whether it was one. Called with owner.mu held.
func (c *conn) forget(call *call) bool {
	i := slices.Index(c.pending, call)
	if i < 0 {
		return false
	}
	c.pending = slices.Delete(c.pending, i, i+1)
	return true
}

// givenUp notes that nobody waits for the reply to call any more, and reports whether
// the connection is to be given up with it. Called with owner.mu held.
func (c *conn) givenUp(call *call) bool {
	if c.received != call.seen {
		return false
	}
	second := c.silence.note(call.nth, c.requests, c.received)
	return second || time.Since(call.sent) > longestAcknowledgement && unacknowledged(c.Conn)
}

// answerAll ends all pending calls with err. Called with owner.mu held.
func (c *conn) answerAll(err error) {
	for _, call := range c.pending {
		call.answer(nil, err)
	}
	c.pending = c.pending[:0]
}

// fail closes the connection because of why, unless it is dead already.
func (c *conn) fail(why error) {
	if errors.Is(why, io.EOF) {
		why = errors.New("the server closed it")
	}
	t := c.owner
	t.mu.Lock()
	first := c.err == nil
	if first {
		c.err = why
		t.conn = nil
		c.answerAll(why)
		// One that delivered something ends a row of failures; one that the server
		// dropped without is a failure itself.
		if c.received > 0 {
			t.backoff.reset()
		} else if !errors.Is(why, errNoAnswer) && !errors.Is(why, errClosed) {
			t.backoff.failed(time.Now(), fmt.Errorf("the connection to %s was lost: %w", t.o.Address, reason(why)))
		}
	}
	t.mu.Unlock()
	if first {
		_ = c.Close() // it is dead for a reason that says more
	}
}

// readSize holds many replies, as several may come at once.
const readSize = 4096

// read gives replies to their calls until the connection fails or is closed.
func (c *conn) read() {
	buf, n := make([]byte, readSize), 0
	for {
		more, err := c.Read(buf[n:])
		n += more
		used, broken := 0, error(nil)
		if more > 0 {
			used, broken = c.deliver(buf[:n])
			runtime.Gosched() // the caller first: the next read rarely finds anything at once
		}
		switch {
		case c.datagrams: // each stands for itself
			n = 0
		case broken != nil:
			c.fail(broken)
			return
		default:
			n = copy(buf, buf[used:n])
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// deliver hands out the whole frames in b and returns their length together. After
// an error nothing that follows can be trusted.
func (c *conn) deliver(b []byte) (used int, err error) {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	c.received++
	for {
		n, err := modbus.TCPLength(b[used:])
		if err != nil {
			return used, err
		}
		if n == modbus.More || n > len(b)-used {
			return used, nil
		}
		c.frame(b[used : used+n])
		used += n
	}
}

// frame answers the call that a frame belongs to. Frames with an id that nobody
// waits for (any more) are discarded [TCP 4.4.1], and so are those of another
// unit or function.
func (c *conn) frame(b []byte) {
	id := binary.BigEndian.Uint16(b)
	for i, call := range c.pending {
		if call.id != id {
			continue
		}
		if b[modbus.HeaderSize-1] == call.unit && b[modbus.HeaderSize]&^0x80 == call.function {
			c.pending = slices.Delete(c.pending, i, i+1)
			c.owner.rested()
			reply := bytes.Clone(b)
			binary.BigEndian.PutUint16(reply, call.callerID)
			call.answer(reply, nil)
		}
		return
	}
}
