package broker

import (
	"time"

	"modferry/gateway/broker/packet"
)

// will is a message that waits for the end of a connection.
type will struct {
	message *message
	retain  bool
	delay   time.Duration
	expiry  *uint32   // of the message, from its publication on
	due     time.Time // zero while the client is connected
}

func newWill(w *packet.Will) *will {
	p := w.Properties
	expiry := p.MessageExpiry
	p.MessageExpiry = nil
	return &will{
		message: newMessage(w.Topic, w.Payload, w.QoS, p, time.Time{}),
		retain:  w.Retain,
		delay:   time.Duration(p.WillDelay) * time.Second,
		expiry:  expiry,
	}
}

// publication is the will as a message of its own, whose time begins now.
func (w *will) publication(now time.Time) *message {
	m := *w.message
	m.number, m.refs, m.kept = 0, 0, 0
	if w.expiry != nil {
		m.expires = now.Add(time.Duration(*w.expiry) * time.Second)
	}
	return &m
}

func (h *hub) publishWill(s *session) {
	w := s.will
	if w == nil {
		return
	}
	h.dropWill(s)
	if !h.access.allows(s.user, w.message.topic) {
		return
	}
	h.publish(s.id, w.publication(time.Now()), w.retain)
}

// setWill keeps the will of a client that connects; false if there is no room for it.
func (h *hub) setWill(s *session, w *will) bool {
	if !s.own && h.willBytes+w.message.size > h.budget/4 {
		return false
	}
	s.will = w
	h.willBytes += w.message.size
	h.hold(w.message)
	h.keepWill(s)
	h.keepWithin()
	return true
}

// dropWill takes the will back.
func (h *hub) dropWill(s *session) {
	if s.will == nil {
		return
	}
	h.willBytes -= s.will.message.size
	h.letGo(s.will.message)
	s.will = nil
	h.keepWill(s)
}
