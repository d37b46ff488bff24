package mqtt

import (
	"crypto/tls"
	"log/slog"
	"time"

	"modferry/gateway/message"
)

// Options describe a session.
type Options struct {
	URL          string // mqtt, mqtts, ws or wss
	Version      Version
	ClientID     string
	Username     string
	Password     string
	TLS          func() (*tls.Config, error) // asked at each connect, for mqtts and wss; nil = the system's roots
	KeepAlive    time.Duration
	QoS          byte                               // of what is published
	Status       string                             // topic of the retained online/offline, also the will; "" = none
	Will         *Will                              // instead of offline on Status; nil = that
	Topics       []string                           // subscribed at QoS 2
	AtLeastOnce  bool                               // at QoS 1 instead
	Optional     []string                           // likewise, but the broker may refuse them
	AsPublished  func(filter string) bool           // subscriptions on which a message keeps the retain flag that it was published with, as MQTT 5 allows; else it says that the message waited; nil = none
	ResumeWithin time.Duration                      // a session that was away longer is discarded with what waited in it; 0 = every connection begins a new one
	State        string                             // file that remembers for the next process when the session was alive; "" = a new process begins a new session
	Handle       func(Message)                      // called in order for each message; must not block
	Connecting   func()                             // called before each try to connect; may be nil
	Online       func()                             // called when a connection is made and subscribed; may be nil
	Failed       func(error)                        // called when a connection could not be made or was lost; may be nil
	Publishing   func(topic string, payload []byte) // called just before a message goes out; may be nil
	Events       int                                // events that may wait for the broker; beyond it the topic with the most loses one
	Logger       *slog.Logger
}

// Will is the last word of a connection: of the session when it ends in order, of the
// broker otherwise.
type Will struct {
	Topic   string
	Payload func() []byte // asked after Connecting, for the broker, and at the end
	Retain  bool
}

// subscribeQoS is that of all subscriptions.
func (o *Options) subscribeQoS() byte {
	if o.AtLeastOnce {
		return 1
	}
	return 2
}

// will returns the topic and payload of the last word; a topic of "" is none.
func (o *Options) will() (topic string, payload []byte, retain bool) {
	if w := o.Will; w != nil {
		return w.Topic, w.Payload(), w.Retain
	}
	return o.Status, []byte(message.Offline), true
}

// withDefaults fills in what may be nil, and asks for signs of life often enough to
// know how long the session was away.
func (o Options) withDefaults() *Options {
	for _, f := range []*func(){&o.Connecting, &o.Online} {
		if *f == nil {
			*f = func() {}
		}
	}
	if o.AsPublished == nil {
		o.AsPublished = func(string) bool { return false }
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	if o.Publishing == nil {
		o.Publishing = func(string, []byte) {}
	}
	if o.ResumeWithin > 0 && (o.KeepAlive == 0 || o.KeepAlive > o.ResumeWithin/4) {
		o.KeepAlive = max(o.ResumeWithin/4, time.Second)
	}
	return &o
}

// aliveEvery is how often it is written down that the session is alive.
func (o *Options) aliveEvery() time.Duration {
	if o.ResumeWithin <= 0 {
		return time.Hour // for nobody
	}
	return max(o.ResumeWithin/6, time.Second)
}

// Message is one that arrived.
type Message struct {
	Topic       string
	Payload     []byte // Handle may keep it
	Retained    bool
	Duplicate   bool
	Response    string    // MQTT 5: where the reply shall go; "" = it does not say
	Correlation []byte    // MQTT 5: what the reply shall carry
	Expires     time.Time // MQTT 5: when the message is of no use any more; zero = never
	Ack         func()    // tells the broker that it need not deliver the message again; from any goroutine, any number of times

	came time.Duration // when, by sinceBoot; 0 = not from a session
}

// Arrived returns a message that came now, another way than over a session.
func Arrived(topic string, payload []byte, ack func()) Message {
	return Message{Topic: topic, Payload: payload, Ack: ack, came: sinceBoot()}
}

// Age is how long ago the message came. Time in which the process stood still or, with
// Linux, the machine slept counts.
func (m *Message) Age() time.Duration {
	if m.came == 0 {
		return 0
	}
	return sinceBoot() - m.came
}

// Event is something that is published once.
type Event struct {
	Topic       string
	Flow        string // events of one flow keep their order, and no flood in another holds them up; "" = that of the topic
	Payload     []byte
	Correlation []byte // MQTT 5

	// Compose, if it is not nil, is asked for topic and payload when the event is about
	// to go out, perhaps once more over the next connection if it did not. A topic of
	// "" is none. It must not block. Topic is "", and Flow is not.
	Compose func() (topic string, payload []byte)
}

// State is what a topic says until it says something else.
type State struct {
	Topic   string
	Payload []byte
	Missed  func() // called at most once, if the broker was away or the connection ended before it had the payload; must not block; may be nil
}

// Status is how the session is.
type Status struct {
	Connected bool
	Since     time.Time // of the present connection, or of its loss; zero = there was none
	Connects  uint64
	Dropped   uint64 // events that found no place, or that the broker did not want
	Err       error  // why there is no connection; nil = not known yet
}
