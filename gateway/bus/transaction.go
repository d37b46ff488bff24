package bus

import (
	"errors"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Transaction is what passed on the line for a request, as [Options.Observe] gets it.
type Transaction struct {
	Client    string // whose request it was; "" for a poll
	Poll      bool
	Unit      byte
	Framing   modbus.Framing
	Request   []byte // the ADU; belongs to the bus
	Reply     []byte // likewise; nil if none came
	Start     time.Time
	Elapsed   time.Duration // until the reply, or until none was waited for any more
	Outcome   Outcome
	Exception byte // of the device; 0 if it sent none
}

// Outcome is what became of a transaction.
type Outcome uint8

// The outcomes.
const (
	Good      Outcome = iota // a normal reply, or a broadcast that went out
	Exception                // the device refused
	Timeout                  // no reply in time
	Broken                   // a reply that broke off, or that does not fit the request
	Unsent                   // the line was busy for too long; nothing was sent
	NoPath                   // the port is gone, or the connection refused or lost

	Outcomes = iota // how many there are
)

var outcomeNames = [Outcomes]string{"good", "exception", "timeout", "broken", "unsent", "unavailable"}

// String returns the outcome as one word.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// conclude fills in what became of a transaction.
func (t *Transaction) conclude(reply Reply) {
	var failed *transport.Error
	switch {
	case reply.Err == nil:
		if e := modbus.AsException(reply.PDU); e != nil {
			t.Outcome, t.Exception = Exception, e.ExceptionCode
		}
	case !errors.As(reply.Err, &failed) || failed.Kind != transport.Timeout:
		t.Outcome = NoPath
	case !failed.Sent:
		t.Outcome = Unsent
	case failed.Cut || t.Reply != nil:
		t.Outcome = Broken
	default:
		t.Outcome = Timeout
	}
}
