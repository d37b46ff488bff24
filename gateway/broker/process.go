package broker

import (
	"errors"
	"io"
	"strings"
	"time"

	"modferry/gateway/broker/packet"
)

// process does what a packet of a connected client asks for. Answers are put into
// c.acks, for flush.
func (c *client) process(header byte, body []byte) error {
	p, err := packet.Decode(c.version, header, body)
	if err != nil {
		return err
	}
	h := c.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.session.client != c || c.closing {
		return io.EOF // taken over, or sent away
	}
	h.stats.Packets++
	switch p.Type {
	case packet.PUBLISH:
		return c.publish(&p, len(body))
	case packet.PUBACK:
		if d := c.session.inflight[p.ID]; d != nil && d.qos == 1 {
			h.forget(c.session, d)
		}
	case packet.PUBREC:
		c.received(&p)
	case packet.PUBREL:
		c.release(p.ID)
	case packet.PUBCOMP:
		if d := c.session.inflight[p.ID]; d != nil && d.released {
			h.forget(c.session, d)
		}
	case packet.SUBSCRIBE:
		c.subscribe(&p)
	case packet.UNSUBSCRIBE:
		c.unsubscribe(&p)
	case packet.PINGREQ:
		c.acks, c.pinged = packet.AppendPingresp(c.acks), true
	case packet.DISCONNECT:
		return c.disconnect(&p)
	case packet.CONNECT:
		return &packet.Error{Code: packet.ProtocolError, Text: "a second CONNECT packet"} // [MQTT-3.1.0-2]
	default: // AUTH, without a method in CONNECT [MQTT-4.12.0-6]
		return &packet.Error{Code: packet.ProtocolError, Text: "AUTH without an authentication method"}
	}
	return nil
}

func (c *client) ack(t packet.Type, id uint16, reason byte) {
	c.acks = packet.AppendAck(c.acks, c.version, t, id, reason)
}

// publish passes a message on. One that may not be published is acknowledged too:
// only MQTT 5 has a way to tell [MQTT-3.3.5-2].
func (c *client) publish(p *packet.Packet, size int) error {
	h, s := c.hub, c.session
	if p.Properties.TopicAlias { // none is offered in CONNACK [MQTT-3.3.2-9]
		return &packet.Error{Code: packet.BadTopicAlias, Text: "a topic alias, where none is allowed"}
	}
	if p.QoS == 2 {
		if id, known := s.received[p.ID]; known && (p.Dup || !id.restored) { // [MQTT-4.3.3-10]
			c.ack(packet.PUBREC, p.ID, packet.Success)
			return nil
		}
		if len(s.received) >= receiveMaximum {
			return &packet.Error{Code: packet.ReceiveMaximum, Text: "more QoS 2 messages are not released than the receive maximum"}
		}
	}
	reason := byte(packet.Success)
	switch {
	case checkTopic(p.Topic) != nil:
		reason = packet.BadTopic
	case !h.access.allows(s.user, p.Topic):
		reason = packet.NotAuthorized
	}
	if reason != packet.Success {
		c.reportRefused(p.Topic)
	} else {
		m := newMessage(p.Topic, p.Payload, p.QoS, p.Properties, time.Now())
		m.size = max(m.size, messageCost+size) // the payload is part of the packet
		h.stats.Received++
		c.sync = h.publish(s.id, m, p.Retain) && p.QoS > 0 && h.store != nil || c.sync
	}
	switch p.QoS {
	case 1:
		c.ack(packet.PUBACK, p.ID, reason)
	case 2:
		if reason == packet.Success || c.version != packet.V5 {
			s.received[p.ID] = receivedID{}
			h.keepReceived(s, p.ID)
		}
		c.ack(packet.PUBREC, p.ID, reason)
	}
	return nil
}

// reportRefused says it once per connection, or a client that keeps on would fill the log.
func (c *client) reportRefused(topic string) {
	if c.warned {
		return
	}
	c.warned = true
	c.hub.log.warn("forbidden", "mqtt message dropped: the client may not publish there; later ones are dropped silently",
		"client", c.session.id, "user", c.session.user, "topic", topic)
}

// received is the first answer to a QoS 2 message: the client has it.
func (c *client) received(p *packet.Packet) {
	h, s := c.hub, c.session
	d := s.inflight[p.ID]
	switch {
	case d == nil || d.qos != 2:
		c.ack(packet.PUBREL, p.ID, packet.IDNotFound)
	case p.Reason >= packet.Unspecified: // [MQTT-4.3.3-4]
		h.forget(s, d)
	default:
		if !d.released {
			if d.on == c {
				c.outBytes -= d.message.size
			}
			s.bytes -= d.message.size
			m := d.message
			d.released, d.message = true, nil
			h.keepReleased(s, d, m)
			h.letGo(m)
		}
		c.ack(packet.PUBREL, p.ID, packet.Success)
	}
}

// release ends a QoS 2 message from the client.
func (c *client) release(id uint16) {
	reason := byte(packet.IDNotFound)
	if _, known := c.session.received[id]; known {
		delete(c.session.received, id)
		c.hub.dropReceived(c.session, id)
		reason = packet.Success
	}
	c.ack(packet.PUBCOMP, id, reason)
}

func (c *client) subscribe(p *packet.Packet) {
	h, s := c.hub, c.session
	reasons := make([]byte, len(p.Filters))
	existed := make([]bool, len(p.Filters))
	for i, f := range p.Filters {
		group, _ := inner(f.Filter)
		if reasons[i] = packet.QuotaExceeded; i >= maxSubscriptions {
			continue
		}
		if reasons[i] = packet.ProtocolError; group != "" && f.NoLocal { // [MQTT-3.8.3-4]
			continue
		}
		reasons[i], existed[i] = h.subscribe(s, f, p.Properties.SubscriptionID)
	}
	c.acks = packet.AppendSuback(c.acks, c.version, p.ID, reasons)
	if !c.sync { // the answer goes first, which clients are used to
		c.answer()
	}
	for i, f := range p.Filters {
		if i > 0 && i%retainedAtOnce == 0 { // a filter may take a millisecond, and others want to go on
			h.mu.Unlock()
			h.mu.Lock()
		}
		if reasons[i] < packet.Unspecified && s.client == c {
			h.sendRetained(s, f, p.Properties.SubscriptionID, existed[i])
		}
	}
}

// retainedAtOnce is for how many filters the retained messages are looked up in one go.
const retainedAtOnce = 8

func (c *client) unsubscribe(p *packet.Packet) {
	reasons := make([]byte, len(p.Filters))
	for i, f := range p.Filters {
		if sub := c.session.subs[f.Filter]; sub != nil {
			c.hub.unsubscribe(sub)
		} else {
			reasons[i] = packet.NoSubscription
		}
	}
	c.acks = packet.AppendUnsuback(c.acks, c.version, p.ID, reasons)
}

// disconnect ends the connection as the client wants it [MQTT 5, 3.14].
func (c *client) disconnect(p *packet.Packet) error {
	h, s := c.hub, c.session
	if e := p.Properties.SessionExpiry; e != nil {
		if *e > 0 && s.expiry == 0 {
			return &packet.Error{Code: packet.ProtocolError, Text: "a session expiry after a connection without"} // [MQTT 5, 3.14.2.2.2]
		}
		s.expiry = min(time.Duration(*e)*time.Second, maxSessionExpiry)
	}
	if p.Reason != packet.DisconnectWithWill {
		h.dropWill(s) // [MQTT-3.14.4-3]
	}
	return errDisconnected
}

var errDisconnected = errors.New("the client disconnected")

// checkTopic checks the topic of a message.
func checkTopic(t string) error {
	switch {
	case !packet.ValidTopic(t):
		return errors.New("has a wildcard, or is empty")
	case len(t) > maxTopic, strings.Count(t, "/") >= maxLevels:
		return errors.New("is too long, or has too many levels")
	case strings.HasPrefix(t, "$SYS/"), t == "$SYS": // [MQTT 5, 4.7.2]
		return errors.New("belongs to the broker")
	}
	return nil
}
