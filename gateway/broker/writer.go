package broker

import (
	"net"
	"time"

	"modferry/gateway/broker/packet"
)

// batch is one write: whole packets, and one more whose payload is not copied.
type batch struct{ small, head, payload []byte }

// packetWriter is a connection on which each packet goes out on its own.
type packetWriter interface{ writePackets(batch) error }

// write is the writing goroutine: it owns the writing side until the connection ends.
func (c *client) write() {
	defer close(c.done)
	defer func() { _ = c.conn.Close() }()
	var buffer []byte
	for {
		b, more := c.hub.gatherFor(c, buffer[:0])
		if len(b.small)+len(b.head) > 0 {
			if err := c.send(b); err != nil {
				c.hub.written(c, true)
				return
			}
			c.hub.written(c, false)
			if buffer = b.small; cap(buffer) > 2*batchBytes {
				buffer = nil
			}
			continue
		}
		if !more {
			return
		}
		buffer = nil // an idle connection needs none
		<-c.wake
	}
}

func (c *client) send(b batch) error {
	if w, ok := c.conn.(packetWriter); ok {
		return w.writePackets(b)
	}
	if len(b.head) == 0 {
		_, err := c.conn.Write(b.small)
		return err
	}
	buffers := net.Buffers{b.small, b.head, b.payload}
	_, err := buffers.WriteTo(c.conn)
	return err
}

// gatherFor takes what is to be written next to a client; more is false at its end.
func (h *hub) gatherFor(c *client, buffer []byte) (b batch, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	buffer = append(buffer, c.control...)
	b.small = buffer
	c.control = nil
	select {
	case c.room <- struct{}{}:
	default:
	}
	if c.closing {
		return b, false
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if c.session == nil || c.session.client != c {
		return b, true
	}
	now := time.Now()
	for len(b.small) < batchBytes && b.head == nil {
		d := h.next(c, now)
		if d == nil {
			break
		}
		h.put(c, d, &b, now)
	}
	if b.head == nil {
		b.small = append(b.small, c.after...)
	} else {
		c.control = c.after
	}
	c.after = nil
	return b, true
}

// written ends a write.
func (h *hub) written(c *client, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.release(c)
	if !failed {
		return
	}
	c.closing = true // the reading goroutine sees the end of the connection
	c.control, c.after = nil, nil
}

// next takes the delivery that is to be sent next, in order: first those of a
// resumed session again, then what is new. While the client may not be sent more at
// QoS 1 and 2, only messages at QoS 0 go on.
func (h *hub) next(c *client, now time.Time) *delivery {
	s := c.session
	for {
		open := c.outstanding < c.receiveMax && (c.outstanding == 0 || c.outBytes < windowBytes)
		if d := c.resend.front(); d != nil {
			if d.gone {
				c.resend.pop()
				continue
			}
			if open {
				return c.resend.pop()
			}
		}
		fast, slow := s.fast.front(), s.queue.front()
		if !open || c.resend.len() > 0 {
			slow = nil
		}
		var d *delivery
		switch {
		case fast == nil && slow == nil:
			return nil
		case slow == nil, fast != nil && fast.number < slow.number:
			d = s.fast.pop()
		default:
			d = s.queue.pop()
		}
		if !d.message.expired(now) {
			return d
		}
		h.forget(s, d)
	}
}

// put adds a delivery to the batch.
func (h *hub) put(c *client, d *delivery, b *batch, now time.Time) {
	s := c.session
	if d.released {
		b.small = packet.AppendAck(b.small, c.version, packet.PUBREL, d.id, packet.Success)
		c.sent(d)
		return
	}
	m := d.message
	p := packet.Publish{
		Dup: d.id != 0, Retain: d.retain, QoS: d.qos, ID: d.id, Topic: m.topic, Payload: m.payload,
		Expiry: m.secondsLeft(now), SubscriptionIDs: d.ids, Forward: m.forward,
	}
	if d.qos > 0 && d.id == 0 {
		p.ID = s.freeID()
	}
	if c.maxPacket > 0 && p.Size(c.version) > c.maxPacket {
		h.forget(s, d) // as if it had been sent [MQTT-3.1.2-25]
		return
	}
	if d.qos > 0 {
		d.id = p.ID
		s.inflight[d.id] = d
		h.keepDelivery(s, d)
		c.sent(d)
	}
	if len(m.payload) < largePayload {
		b.small = append(p.AppendHead(b.small, c.version), m.payload...)
	} else {
		b.head, b.payload = p.AppendHead(nil, c.version), m.payload
		h.hold(m)
		c.writing = append(c.writing, m)
	}
	h.stats.Sent++
	if d.qos == 0 {
		h.forget(s, d)
	}
}

// sent counts a delivery against what the client may have unacknowledged.
func (c *client) sent(d *delivery) {
	d.on = c
	c.outstanding++
	if d.message != nil {
		c.outBytes += d.message.size
	}
}

// settled is the end of that.
func (c *client) settled(d *delivery) {
	c.outstanding--
	if d.message != nil {
		c.outBytes -= d.message.size
	}
	d.on = nil
	c.poke()
}
