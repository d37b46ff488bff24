package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
)

// receiveMaximum is how many QoS 1 and 2 messages a client may have unacknowledged;
// MQTT 5 clients are told.
const receiveMaximum = 1024

// session is what a connection knows beyond what the library does.
type session struct {
	client *mqtt.Client  // nil before the CONNECT packet was accepted
	window chan struct{} // one element per unacknowledged message to the client; nil = no limit
	ids    ids
	warned bool   // that it publishes where it may not
	leave  func() // ends the client's turn to establish its session, once; nil = it has none
}

func (s *session) endTurn() {
	if s.leave != nil {
		s.leave()
	}
}

// limit sets how many messages the client accepts unacknowledged [MQTT 5, 3.1.2.11.3].
// The library's own count is switched off: it deadlocks when the limit is reached
// while another client publishes.
func (s *session) limit(cl *mqtt.Client) {
	if most := cl.Properties.Props.ReceiveMaximum; most > 0 {
		s.window = make(chan struct{}, most)
	}
	cl.Properties.Props.ReceiveMaximum = 0
	cl.State.Inflight.ResetSendQuota(0)
}

// sent waits until one more message may be sent. A repeated one does not wait,
// because its acknowledgement cannot be read before all are repeated.
func (s *session) sent(repeated bool, closed <-chan struct{}) {
	if s.window == nil {
		return
	}
	if repeated {
		select {
		case s.window <- struct{}{}:
		default:
		}
		return
	}
	select {
	case s.window <- struct{}{}:
	case <-closed:
	}
}

// acknowledged makes room for one message.
func (s *session) acknowledged() {
	select {
	case <-s.window:
	default:
	}
}
