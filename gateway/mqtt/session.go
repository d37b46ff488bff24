// Package mqtt keeps the gateway's session with its broker: it connects and
// reconnects, subscribes at every connect, announces itself, and publishes. What
// is said is of two kinds: events (replies, errors), which queue in order and are
// bounded, and states (readings, statuses), of which only the newest of each topic
// counts and which are all published again after every reconnect.
// It is the only package of the gateway that imports an MQTT client library.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Options describe a session.
type Options struct {
	URL          string // mqtt, mqtts, ws or wss
	ClientID     string
	Username     string
	Password     string
	Version      Version
	TLS          func() (*tls.Config, error) // for mqtts and wss
	ResumeWithin time.Duration
	State        string
	KeepAlive    time.Duration
	QoS          byte                               // of what is published
	Status       string                             // topic of the retained online/offline, also the will; "" = none
	Topics       []string                           // subscribed at QoS 2
	Optional     []string                           // likewise, but the broker may refuse them
	Handle       func(Message)                      // called in order for each message; must not block
	Connecting   func()                             // called before each try to connect; may be nil
	Online       func()                             // called when a connection is made and subscribed; may be nil
	Failed       func(error)                        // called when a connection could not be made or was lost; may be nil
	Publishing   func(topic string, payload []byte) // called just before a message goes out; may be nil
	Events       int                                // events that may wait for the broker; beyond it the topic with the most loses one
	Logger       *slog.Logger
}

// Message is one that arrived.
type Message struct {
	Topic       string
	Payload     []byte // Handle may keep it
	Retained    bool
	Duplicate   bool
	Response    string
	Correlation []byte
	Expires     time.Time
	Ack         func()
}

// What the status topic says.
const (
	online  = "online"
	offline = "offline"
)

const (
	connectTimeout = 10 * time.Second
	ackTimeout     = 10 * time.Second // for a SUBACK, and for the acknowledgement that makes room in flight
	goodbye        = 2 * time.Second  // for the last publications when the session ends
	complainEvery  = 10 * time.Second
	minBackoff     = 100 * time.Millisecond
	flapBackoff    = 500 * time.Millisecond // at most, after a connection that was made and lost
	maxBackoff     = 15 * time.Second
)

// Session is a lasting connection to one broker.
type Session struct {
	o          Options
	outbox     *outbox
	complained atomic.Int64 // when, in nanoseconds since 1970
}

// New returns a session that connects when it is run. Publications queue from now on.
func New(o Options) *Session {
	for _, f := range []*func(){&o.Connecting, &o.Online} {
		if *f == nil {
			*f = func() {}
		}
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	if o.Publishing == nil {
		o.Publishing = func(string, []byte) {}
	}
	return &Session{o: o, outbox: newOutbox(o.Events)}
}

// PublishApart queues an event in a flow of its own name, that no flood of other
// events on the same topic holds up or drives out.
func (s *Session) PublishApart(flow, topic string, payload []byte) {
	if dropped := s.outbox.add(flow, topic, payload); dropped > 0 {
		s.complain(topic, dropped)
	}
}

// complain says now and then that events were dropped.
func (s *Session) complain(topic string, dropped int) {
	now := time.Now().UnixNano()
	if last := s.complained.Load(); now-last > int64(complainEvery) && s.complained.CompareAndSwap(last, now) {
		s.o.Logger.Warn("the broker is away or slow: replies are dropped", "topic", topic, "dropped", dropped)
	}
}

// Run keeps the session until ctx ends; then it publishes what is queued and
// offline, within two seconds, and disconnects.
func (s *Session) Run(ctx context.Context) {
	backoff := minBackoff
	var last string
	for ctx.Err() == nil {
		connected, err := s.visit(ctx)
		if ctx.Err() != nil {
			return
		}
		s.o.Failed(err)
		if connected { // the broker is there; what ended the connection may happen again at once
			backoff, last = min(backoff, flapBackoff), ""
		}
		if err.Error() != last { // say each trouble once, not at every try
			last = err.Error()
			s.o.Logger.Warn("no connection to the broker, trying again", "broker", s.o.URL, "error", err)
		}
		pause := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, maxBackoff)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// visit is one connection from the first try to its end, with the reason for that.
func (s *Session) visit(ctx context.Context) (connected bool, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	s.o.Logger.Info("connected to the broker", "broker", s.o.URL)
	s.o.Online()
	s.announce(online)
	s.outbox.restate(s.o.Status)
	err = c.deliver(ctx)
	if ctx.Err() != nil {
		s.announce(offline)
		c.farewell()
	}
	c.client.Disconnect(uint(goodbye.Milliseconds()))
	s.outbox.restore(c.unacknowledged())
	return true, err
}

// announce sets the status topic, if there is one.
func (s *Session) announce(status string) {
	if s.o.Status != "" {
		s.outbox.state(s.o.Status, []byte(status))
	}
}

func (s *Session) connect(ctx context.Context) (*connection, error) {
	c := &connection{session: s, lost: make(chan error, 1)}
	c.client = paho.NewClient(s.options(c))
	s.o.Connecting()
	token := c.client.Connect()
	if err := wait(ctx, token, connectTimeout); err != nil {
		c.client.Disconnect(0) // ends an attempt that still runs
		return nil, fmt.Errorf("cannot connect: %w", plain(err))
	}
	if err := c.subscribe(ctx); err != nil {
		c.client.Disconnect(0)
		return nil, err
	}
	return c, nil
}

func (s *Session) options(c *connection) *paho.ClientOptions {
	o := paho.NewClientOptions().
		AddBroker(s.o.URL).
		SetClientID(s.o.ClientID).
		SetUsername(s.o.Username).
		SetPassword(s.o.Password).
		SetKeepAlive(s.o.KeepAlive).
		SetCleanSession(true).
		SetProtocolVersion(4).
		SetAutoReconnect(false). // Run reconnects, with jitter and without a second store
		SetConnectRetry(false).
		SetConnectTimeout(connectTimeout).
		SetPingTimeout(5 * time.Second).
		SetWriteTimeout(5 * time.Second).
		SetOrderMatters(true).
		SetStore(paho.NewOrderedMemoryStore()).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			s.o.Handle(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), Duplicate: m.Duplicate(), Ack: func() {}})
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { c.lost <- err })
	if s.o.Status != "" {
		o.SetWill(s.o.Status, offline, 1, true)
	}
	if s.o.TLS != nil {
		if c, err := s.o.TLS(); err == nil {
			o.SetTLSConfig(c)
		}
	}
	return o
}

// plain takes off the library's own words before the network's reason.
func plain(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return network
	}
	return err
}

// wait waits for a token until ctx ends or limit has passed.
func wait(ctx context.Context, token paho.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errors.New("the broker did not answer in time")
	}
}
