package mqtt

import (
	"context"
	"encoding/binary"
	"time"
)

// States at QoS 0 need nothing of what the libraries keep, and there may be very many
// of them. So the session writes their packets itself, many at a time.
const (
	batchStates = 64       // taken in one go
	batchBytes  = 16 << 10 // written in one go; an event waits for no more
	batchLimit  = 1 << 20  // a packet must not be larger
)

// appendStates takes states and appends their PUBLISH packets [MQTT-3.3], until there
// are so many bytes; those of MQTT 5 if properties is set, with none.
func (o *outbox) appendStates(dst []byte, most int, properties bool) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range batchStates {
		if !o.isStateNext() && len(dst) == 0 || o.states.len() == 0 || len(dst) >= most {
			break
		}
		if next := o.states.all()[0]; len(next.payload) == 0 || len(next.payload) > batchLimit {
			break
		}
		r := o.popState()
		r.risked = false
		dst = appendState(dst, r.topic, r.payload, properties)
	}
	return dst
}

// appendState appends a retained PUBLISH packet of QoS 0.
func appendState(dst []byte, topic string, payload []byte, properties bool) []byte {
	size := 2 + len(topic) + len(payload)
	if properties {
		size++
	}
	dst = append(dst, 0x31)
	for ; size > 0x7F; size >>= 7 { // [MQTT 2.2.3]
		dst = append(dst, byte(size)|0x80)
	}
	dst = append(dst, byte(size))
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(topic))), topic...)
	if properties {
		dst = append(dst, 0)
	}
	return append(dst, payload...)
}

// publishStates publishes the states that are next, if that can be done without the
// library. It reports whether there were any.
func (c *connection) publishStates() (some bool, err error) {
	w, properties := c.client.direct()
	if w == nil || c.o.QoS > 0 {
		return false, nil
	}
	c.scratch = c.scratch[:0]
	most := min(batchBytes, w.window.room())
	for n := -1; n < len(c.scratch) && len(c.scratch) < most; {
		n = len(c.scratch)
		c.scratch = c.session.outbox.appendStates(c.scratch, most, properties)
	}
	if len(c.scratch) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(c.hurry, writeTimeout)
	defer cancel()
	if w.calm(ctx) != nil {
		return true, c.why(errNotTaken)
	}
	w.Lock()
	_, err = w.Write(w.window.sending(c.scratch, time.Now()))
	w.Unlock()
	if err != nil {
		return true, c.why(errNotTaken)
	}
	return true, nil
}

// isOpen reports whether states may be sent now.
func (c *connection) isOpen() bool {
	w, _ := c.client.direct()
	return w == nil || w.window.isOpen()
}
