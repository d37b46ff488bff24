package remote

import (
	"fmt"
	"net/url"
	"strings"

	"modferry/gateway/message"
)

// Refused is what the gateway says instead of the device.
type Refused struct {
	Code      message.Code
	Message   string
	Exception byte // 0 = there is none for it
	Answered  bool // in the place of a reply; otherwise it is a report that the message was no request
}

func (e *Refused) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// longest is what the text of a frame may have, with separators.
const longest = 4096

// most is how long the words of a gateway may be, in bytes.
const most = 1000

// said is what a gateway elsewhere says, on one line.
func said(words string) string {
	if len(words) > most {
		words = words[:most] + "…"
	}
	return strings.ToValidUTF8(strings.Join(strings.Fields(words), " "), "?")
}

// Unreachable: there is no way to the bus at present. Nothing was sent.
type Unreachable struct{ Reason string }

func (e *Unreachable) Error() string { return e.Reason }

// Silent: no reply came in time. It is not known what became of the request.
type Silent struct{ Reason string }

func (e *Silent) Error() string { return e.Reason }

// reply is what is used of a JSON reply.
type reply struct {
	ID    string
	OK    *bool // nil = it is something else
	Frame string
	Error struct {
		Code      message.Code
		Message   string
		Exception byte
	}
	Outcome message.Outcome
}

// frame returns the frame of a reply, nil if there is none, or what the gateway said instead.
func (r *reply) frame() ([]byte, error) {
	switch {
	case len(r.Frame) > longest:
		return nil, &Silent{Reason: fmt.Sprintf("what came has %d characters, and is no frame", len(r.Frame))}
	case r.Frame != "":
		return []byte(r.Frame), nil
	case *r.OK:
		return nil, nil
	case r.Outcome == message.Unknown:
		r.Error.Message += "; the write may have reached the device: read before you write again"
	}
	return nil, &Refused{message.Code(said(string(r.Error.Code))), said(r.Error.Message), r.Error.Exception, true}
}

// noBroker says why there is no connection. Called with b.mu held.
func (b *Bus) noBroker() error {
	if b.failed == nil {
		return fmt.Errorf("no connection to broker %s yet", Redacted(b.o.URL))
	}
	return fmt.Errorf("broker %s: %w", Redacted(b.o.URL), b.failed)
}

// Redacted is a broker's address without the password that somebody wrote into it.
func Redacted(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return "(an address that cannot be read)"
	}
	return u.Redacted()
}
