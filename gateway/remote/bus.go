package remote

import (
	"context"
	"crypto/rand"
	"crypto/tls"
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
			b.answerAll(&Unreachable{Reason: "gateway " + b.o.Prefix + " is offline"})
		}
	case b.topics.Status():
		b.there = true
	case b.topics.Error(b.o.Client):
		b.reported(m.Payload)
	default:
		b.replied(m.Payload)
	}
}

// reported takes what comes on the error topic. It has no id.
func (b *Bus) reported(payload []byte) {
	var report struct{ Code, Message, Payload string }
	if json.Unmarshal(payload, &report) != nil {
		return
	}
	refused := &Refused{Code: message.Code(report.Code), Message: report.Message}
	if b.plain != nil {
		b.plain.answer(nil, refused)
		return
	}
	of := strings.TrimSuffix(report.Payload, "…")
	for _, w := range b.waiting {
		if strings.HasPrefix(string(w.payload), of) {
			w.answer(nil, refused)
		}
	}
}

// replied takes what comes on the response topic, where there may be requests, too.
func (b *Bus) replied(payload []byte) {
	var reply reply
	if json.Unmarshal(payload, &reply) == nil && reply.OK != nil {
		if w := b.waiting[reply.ID]; w != nil {
			w.answer(reply.frame())
		}
		return
	}
	if w := b.plain; w != nil && w.id == "" && string(w.payload) != string(payload) {
		w.answer(payload, nil)
	}
}

// answerAll ends all waiting. Called with b.mu held.
func (b *Bus) answerAll(err error) {
	for _, w := range b.waiting {
		w.answer(nil, err)
	}
	if b.plain != nil {
		b.plain.answer(nil, err)
	}
}
