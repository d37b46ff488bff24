package remote

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// Options say where a bus is.
type Options struct {
	URL      string // of the broker: mqtt, mqtts, ws or wss
	Username string
	Password string
	TLS      func() (*tls.Config, error) // nil = the system's roots

	Prefix            string // of the gateway's topics
	Bus               string // its name
	Request, Response string // fixed topics of the bus; "" = none
	Client            string // the name in the topics of this client, as the gateway's rules know it

	Device time.Duration // how long a device may take, in whole ms; 0 = the bus's timeout; told in JSON only

	Patience time.Duration // how long a request waits for the broker; 0 = as long as its context lasts

	Logger *slog.Logger // nil = silent
}

// limit of requests that wait, and of messages that are taken from the broker at once.
const limit = 256

// Bus is a bus of a gateway elsewhere.
type Bus struct {
	o       Options
	status  string // topic of the gateway's
	topics  message.Bus
	session *mqtt.Session
	turn    chan struct{} // holds one token; who sends without an id has it

	mu      sync.Mutex
	form    form               // the first that the bus does not refuse, as far as is known
	known   bool               // it took a request in this form
	waiting map[string]*waiter // by id
	plain   *waiter            // without an id
	owing   *waiter            // likewise; it was given up, and its reply may still come
	gateway string             // what it says of itself: online, offline, "" = nothing yet
	there   bool               // the bus said something
	failed  error              // why there is no connection to the broker
}

// New returns a bus that is reached while [Bus.Run] runs.
func New(o Options) *Bus {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	topics := message.Topics{Prefix: o.Prefix}
	b := &Bus{o: o, status: topics.Status(), topics: topics.Bus(o.Bus, o.Request, o.Response), turn: make(chan struct{}, 1), waiting: map[string]*waiter{}}
	b.turn <- struct{}{}
	b.session = mqtt.New(mqtt.Options{
		URL: o.URL, ClientID: "modferry-" + rand.Text()[:14], Username: o.Username, Password: o.Password, TLS: o.TLS,
		KeepAlive: 30 * time.Second, QoS: 1, AtLeastOnce: true, Logger: o.Logger, Events: limit,
		Topics: []string{b.topics.Response(o.Client)}, Optional: []string{b.topics.Error(o.Client), b.topics.Status(), b.status},
		Handle: b.handle, Online: b.online, Failed: b.lost,
	})
	return b
}

// Name is that of the bus and its gateway, for people.
func (b *Bus) Name() string { return "bus " + b.o.Bus + " of gateway " + b.o.Prefix }

// Run keeps the connection until ctx ends.
func (b *Bus) Run(ctx context.Context) { b.session.Run(ctx) }

// Connected returns nil while there is a connection to the broker, and why there is none otherwise.
func (b *Bus) Connected() error {
	if b.session.Status().Connected {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.noBroker()
}

// online publishes again what was under way: the gateway knows the ids.
func (b *Bus) online() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = nil
	for _, w := range b.waiting {
		if w.left {
			b.publish(w)
		}
	}
}

func (b *Bus) lost(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed, b.gateway = err, ""
	if b.owing != nil { // what is published meanwhile does not come
		b.owing.answer(nil, err)
		b.owing = nil
	}
}

// handle gives what comes to who waits for it.
func (b *Bus) handle(m mqtt.Message) {
	m.Ack()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch m.Topic {
	case b.status:
		b.gateway = string(m.Payload)
		if b.gateway == message.Offline {
			b.abandon(&Unreachable{Reason: "gateway " + b.o.Prefix + " is offline"})
		}
	case b.topics.Status():
		b.there = true
	case b.topics.Error(b.o.Client):
		b.reported(m.Payload)
	default:
		b.replied(m.Payload)
	}
}

// abandon ends the waiting of those whose request did not leave. The others may be
// answered when the gateway is back: it knows which requests it has.
func (b *Bus) abandon(err error) {
	for _, w := range b.waiting {
		if !w.left {
			w.answer(nil, err)
		}
	}
	if b.plain != nil && !b.plain.left {
		b.plain.answer(nil, err)
	}
}

// maxReply bounds what is looked at, in bytes.
const maxReply = 64 << 10

// shown is how much of a payload a report repeats for certain, in bytes of text.
const shown = 200

// reported takes what comes on the error topic. It has no id, but the payload, as far
// as it is printed; binary ones as hex digits.
func (b *Bus) reported(payload []byte) {
	var report struct{ Code, Message, Payload string }
	if json.Unmarshal(payload, &report) != nil || report.Code == "" {
		return
	}
	refused := &Refused{Code: message.Code(said(report.Code)), Message: said(report.Message)}
	of := strings.TrimSuffix(report.Payload, "…")
	about := func(w *waiter) bool {
		text := string(w.payload)
		if !strings.HasPrefix(text, of) {
			text = strings.ToUpper(hex.EncodeToString(w.payload))
		}
		return w.left && strings.HasPrefix(text, of) && len(of) >= min(len(text), shown)
	}
	if b.plain != nil && about(b.plain) {
		b.plain.answer(nil, refused)
		return
	}
	for _, w := range b.waiting {
		if about(w) {
			w.answer(nil, refused)
		}
	}
}

// replied takes what comes on the response topic, where there may be requests, too.
func (b *Bus) replied(payload []byte) {
	if len(payload) > maxReply {
		return
	}
	var reply reply
	if json.Unmarshal(payload, &reply) == nil && reply.OK != nil {
		if w := b.waiting[reply.ID]; w != nil {
			w.answer(reply.frame())
		}
		return
	}
	w := b.plain
	if b.owing != nil {
		w = b.owing
	}
	switch {
	case w == nil || w.id != "" || !w.left:
		if b.known && b.form != asJSON {
			b.o.Logger.Warn("a reply came that nobody here asked for: another client has the same name, and one of both must have another", "client", b.o.Client, "bus", b.o.Bus)
		}
	case w.echo && string(w.payload) == string(payload):
		w.echo = false // what we said ourselves, on a topic for both directions
	case w.fits(payload):
		w.answer(payload, nil)
		b.owing = nil
	}
}
