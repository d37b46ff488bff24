package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// Version is a version of MQTT.
type Version byte

// The versions.
const (
	V311 Version = iota
	V5
)

// Event is published once, in order within its flow.
type Event struct {
	Topic       string
	Flow        string // "" = Topic
	Payload     []byte
	Correlation []byte
}

// State is what a topic says, retained.
type State struct {
	Topic   string
	Payload []byte
	Missed  func()
}

// Status is how the session is.
type Status struct {
	Connected bool
	Since     time.Time
	Connects  uint64
	Dropped   uint64
	Err       error
}

type source = func() (*tls.Config, error)

// Publish queues an event.
func (s *Session) Publish(e Event) {
	flow := e.Flow
	if flow == "" {
		flow = e.Topic
	}
	s.PublishApart(flow, e.Topic, e.Payload)
}

// Retain states.
func (s *Session) Retain(st State) { s.outbox.state(st.Topic, st.Payload) }

// Forget clears.
func (s *Session) Forget(string) {}

// Deliver publishes.
func (s *Session) Deliver(context.Context, string, []byte) error { return errors.New("not yet") }

// Reconfigure changes.
func (s *Session) Reconfigure(Options) {}

// SetTopics changes.
func (s *Session) SetTopics(_, _ []string) {}

// Status tells.
func (s *Session) Status() Status { return Status{Connected: true} }
