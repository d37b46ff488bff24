package bus

import (
	"errors"
	"sync"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// State is what is known of a line.
type State string

// The states of a line.
const (
	Unknown     State = "unknown"     // nothing was sent yet
	Open        State = "open"        // the last request could be sent
	Unavailable State = "unavailable" // the port is gone, or the connection refused
)

// Status is a bus as its status topic shows it. Counters count from the start of the process.
type Status struct {
	State       State  `json:"state"`
	Error       string `json:"error,omitempty"` // why the line is unavailable
	Queue       int    `json:"queue"`           // requests that wait
	Requests    uint64 `json:"requests"`        // sent or tried to send
	Replies     uint64 `json:"replies"`         // normal ones
	Exceptions  uint64 `json:"exceptions"`      // of devices
	Timeouts    uint64 `json:"timeouts"`        // requests without a good reply in time
	Unavailable uint64 `json:"unavailable"`     // requests that found no path
	Expired     uint64 `json:"expired"`
	Refused     uint64 `json:"refused"` // because the queue was full or a client too fast
	Denied      uint64 `json:"denied"`  // by the rules or the specification

	Resting map[byte]Rest `json:"resting,omitempty"` // units that polls leave alone
}

// Status returns the state and counters of now.
func (b *Bus) Status() Status {
	s := b.stats.snapshot()
	s.Queue, s.Resting = b.queue.len(), b.breakers.snapshot(time.Now())
	return s
}

type stats struct {
	mu sync.Mutex
	s  Status
}

func (t *stats) snapshot() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	if s.State == "" {
		s.State = Unknown
	}
	return s
}

// CountDenied counts a request that was answered without being queued.
func (b *Bus) CountDenied() { b.stats.denied() }

func (t *stats) denied() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Denied++
}

func (t *stats) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Refused++
}

// count adds a reply to the counters and reports whether the state changed.
func (t *stats) count(reply Reply) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(reply.Err, ErrExpired):
		t.s.Expired++
		return false
	case errors.Is(reply.Err, ErrResting):
		return false
	}
	t.s.Requests++
	before := t.s.State
	var failed *transport.Error
	switch {
	case reply.Err == nil && modbus.AsException(reply.PDU) != nil:
		t.s.Exceptions++
	case reply.Err == nil:
		t.s.Replies++
	case errors.As(reply.Err, &failed) && failed.Kind == transport.Timeout:
		t.s.Timeouts++
	default:
		t.s.Unavailable++
		t.s.State, t.s.Error = Unavailable, reply.Err.Error()
		return before != Unavailable
	}
	t.s.State, t.s.Error = Open, ""
	return before != Open
}
