package mqtt

import (
	"context"
	"errors"
	"time"
)

// Version is a version of MQTT.
type Version byte

// The versions. The zero value is MQTT 3.1.1.
const (
	V311 Version = iota
	V5
)

// client is what the session needs of an MQTT library. It lives over several
// connections and resumes over the next what was not acknowledged over the last.
// Except for arrivals, one goroutine uses it.
type client interface {
	// connect makes a connection. fresh discards what the broker and the client know
	// of earlier ones; it is the first call's. resumed says that the client itself
	// goes on with what it had published and the broker had not acknowledged.
	connect(ctx context.Context, fresh bool) (resumed bool, err error)
	// subscribe asks for topics at QoS 2. Refused ones are no error of the call.
	subscribe(ctx context.Context, topics []string) (refused []refusal, err error)
	unsubscribe(ctx context.Context, topics []string) error
	// publish hands a publication over. Its error is [errNotTaken], a *refusal, or
	// that of a connection which has ended; then the client has the publication
	// and will publish it if it resumes.
	publish(ctx context.Context, p *publication) (receipt, error)
	// direct returns the wire of the present connection, if states at QoS 0 may be
	// written to it beside the library; properties says that their packets have some.
	direct() (w *wire, properties bool)
	// lost returns the reason when the connection has ended by itself.
	lost() <-chan error
	// lastAlive is when the broker was surely there last, on this machine's clock.
	lastAlive() time.Time
	// silence is the longest time, over the present connection, in which nothing came.
	silence() time.Duration
	// warning is what the user should know of the present connection; nil = nothing.
	warning() error
	// disconnect ends the connection, in order if it is still there: the broker does
	// not publish the will then.
	disconnect()
	// cut ends the connection at once, from any goroutine, with all that waits on it;
	// disconnect must follow.
	cut()
}

// receipt is where the acknowledgement of a publication arrives.
type receipt interface {
	// poll reports whether it is there, and the *refusal of a broker that does not want the publication.
	poll() (done bool, err error)
	// wait waits for it; its error is a *refusal or the end of ctx.
	wait(ctx context.Context) error
}

// errNotTaken: the publication did not reach the client; it is still the session's.
var errNotTaken = errors.New("there is no connection to the broker")

// refusal is what a broker does not allow.
type refusal struct {
	topic string
	words string // why; "" = it does not say
}

func (r *refusal) Error() string {
	if r.words == "" {
		return "the broker refuses the topic " + r.topic + ": check its access rules"
	}
	return "the broker refuses the topic " + r.topic + " (" + r.words + "): check its access rules"
}

// arrival is a message as a library hands it over.
type arrival struct {
	Message
	qos byte
	ack func() // nil for QoS 0
}

// sent is the receipt of QoS 0.
type sent struct{}

func (sent) poll() (bool, error)        { return true, nil }
func (sent) wait(context.Context) error { return nil }

func newClient(o *Options, arrived func(arrival)) client {
	if o.Version == V5 {
		return newV5(o, arrived)
	}
	return newV3(o, arrived)
}
