package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// v5session is the session state of the library, but that messages are acknowledged
// when the gateway has taken care of them, in its own order of time (the library's way
// looks every 50 ms), and that acknowledgements of publications go to their receipts.
type v5session struct {
	*state.State
	arrived func(arrival)

	mu   sync.Mutex
	next chan packets.ControlPacket // for the answer to the next publication
}

func (s *v5session) expect(answer chan packets.ControlPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = answer
}

// AddToSession is called by the library for what it sends.
func (s *v5session) AddToSession(ctx context.Context, p session.Packet, answer chan<- packets.ControlPacket) error {
	if p.Type() == packets.PUBLISH {
		s.mu.Lock()
		answer = s.next
		s.mu.Unlock()
	}
	return s.State.AddToSession(ctx, p, answer)
}

// Ack is called by the library, in order, for what it received.
func (s *v5session) Ack(p *packets.Publish) error {
	a := arrival{Message: Message{Topic: p.Topic, Payload: p.Payload, Retained: p.Retain, Duplicate: p.Duplicate}, qos: p.QoS}
	if q := p.Properties; q != nil {
		a.Response, a.Correlation = q.ResponseTopic, q.CorrelationData
		if q.MessageExpiry != nil {
			a.Expires = time.Now().Add(time.Duration(*q.MessageExpiry) * time.Second)
		}
	}
	if p.QoS > 0 {
		a.ack = func() { _ = s.State.Ack(p) } // fails only with the connection, and the broker repeats the message
	}
	s.arrived(a)
	return nil
}

// v5Receipt is where the library puts the answer to a publication.
type v5Receipt struct {
	topic  string
	answer chan packets.ControlPacket
	done   bool
	err    error
}

func (r *v5Receipt) poll() (bool, error) {
	if !r.done {
		select {
		case p := <-r.answer:
			r.settle(p)
		default:
		}
	}
	return r.done, r.err
}

func (r *v5Receipt) wait(ctx context.Context) error {
	if r.done {
		return r.err
	}
	select {
	case p := <-r.answer:
		r.settle(p)
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *v5Receipt) settle(p packets.ControlPacket) {
	r.done = true
	code, words := byte(0), ""
	switch c := p.Content.(type) {
	case *packets.Puback:
		code, words = c.ReasonCode, reasonString(c.Properties)
	case *packets.Pubrec:
		code, words = c.ReasonCode, reasonString(c.Properties)
	case *packets.Pubcomp:
		return // 0x92, packet id not found, says only that the handshake was over already
	}
	if code >= unspecifiedFrom {
		r.err = &refusal{r.topic, reason(code, words)}
	}
}

func reasonString(p *packets.Properties) string {
	if p == nil {
		return ""
	}
	return p.ReasonString
}
