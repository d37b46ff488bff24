package gatewaytest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	mqttTimeout = 10 * time.Second // for a connection or an acknowledgement
	mqttGoodbye = 2 * time.Second  // for a DISCONNECT, where the machine is busy or nobody takes it
	inboxSize   = 10000            // messages that a test has not looked at yet
)

// ClientOptions is how a client connects. The zero value is MQTT 3.1.1, anonymous,
// with a clean session and a client id of its own, once and without reconnecting.
type ClientOptions struct {
	ID         string
	User       string
	Password   string
	Version    uint // 3 = MQTT 3.1, 4 = 3.1.1
	Persistent bool // clean session false
	Reconnect  bool // connect again, and subscribe again, after the connection is lost
	Configure  func(*paho.ClientOptions)
}

// Peer is a connected MQTT client. Whatever goes wrong with it fails the test.
type Peer struct {
	paho.Client
	Resumed *Inbox // messages that no subscription made by this Peer asked for: those of a resumed session
	t       testing.TB

	mu    sync.Mutex
	boxes map[string]subscription // by filter
}

type subscription struct {
	box *Inbox
	qos byte
}

// Message is what a [Peer] received.
type Message struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Retained bool
	Dup      bool
}

// Client connects to url (tcp://host:port, ws://host:port/mqtt) until the test ends.
func Client(t testing.TB, url string, o ClientOptions) *Peer {
	t.Helper()
	p, err := Connect(t, url, o)
	for end := time.Now().Add(mqttTimeout); err != nil && strings.HasSuffix(err.Error(), "EOF") && time.Now().Before(end); { // a server that is just starting
		time.Sleep(200 * time.Millisecond)
		p, err = Connect(t, url, o)
	}
	if err != nil {
		t.Fatalf("cannot connect to %s: %v", url, err)
	}
	return p
}

// Connect does what [Client] does and returns the broker's refusal.
func Connect(t testing.TB, url string, o ClientOptions) (*Peer, error) {
	t.Helper()
	if o.ID == "" {
		o.ID = fmt.Sprintf("test-%d", time.Now().UnixNano())
	}
	options := paho.NewClientOptions().AddBroker(url).SetClientID(o.ID).
		SetUsername(o.User).SetPassword(o.Password).SetProtocolVersion(o.Version).
		SetCleanSession(!o.Persistent).
		SetConnectTimeout(mqttTimeout).SetWriteTimeout(mqttTimeout).
		SetAutoReconnect(o.Reconnect).SetMaxReconnectInterval(time.Second).
		SetStore(newStore())
	p := &Peer{Resumed: newInbox(t, "resumed subscriptions"), t: t, boxes: map[string]subscription{}}
	options.SetDefaultPublishHandler(p.Resumed.put)
	options.SetOnConnectHandler(p.subscribeAgain)
	if o.Configure != nil {
		o.Configure(options)
	}
	p.Client = paho.NewClient(options)
	token := p.Connect()
	if !token.WaitTimeout(mqttTimeout) {
		p.Disconnect(0)
		return nil, fmt.Errorf("no answer within %v", mqttTimeout)
	}
	if token.Error() != nil {
		return nil, token.Error()
	}
	t.Cleanup(p.Close)
	return p, nil
}

// Close disconnects in order, and ends trying again. Calling it again does nothing.
func (p *Peer) Close() { p.Disconnect(uint(mqttGoodbye.Milliseconds())) }

// Publish publishes and waits for the acknowledgement that its QoS has.
func (p *Peer) Publish(topic string, qos byte, retain bool, payload any) {
	p.t.Helper()
	p.wait("publish to "+topic, p.Client.Publish(topic, qos, retain, payload))
}

// Subscribe subscribes and returns where the messages arrive, in order.
func (p *Peer) Subscribe(filter string, qos byte) *Inbox {
	p.t.Helper()
	box := newInbox(p.t, filter)
	token := p.Client.Subscribe(filter, qos, box.put)
	p.wait("subscribe to "+filter, token)
	if granted := token.(*paho.SubscribeToken).Result()[filter]; granted > 2 {
		p.t.Fatalf("subscription to %q refused with code 0x%02x", filter, granted)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.boxes[filter] = subscription{box, qos}
	return box
}

// subscribeAgain runs after every connect; before the first one there is nothing to do.
func (p *Peer) subscribeAgain(c paho.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for filter, s := range p.boxes {
		c.Subscribe(filter, s.qos, s.box.put)
	}
}

func (p *Peer) wait(what string, token paho.Token) {
	p.t.Helper()
	if !token.WaitTimeout(mqttTimeout) {
		p.t.Fatalf("cannot %s: no acknowledgement within %v", what, mqttTimeout)
	}
	if err := token.Error(); err != nil {
		p.t.Fatalf("cannot %s: %v", what, err)
	}
}

// Inbox holds the messages of one subscription.
type Inbox struct {
	t        testing.TB
	filter   string
	messages chan Message
}

func newInbox(t testing.TB, filter string) *Inbox {
	return &Inbox{t: t, filter: filter, messages: make(chan Message, inboxSize)}
}

func (b *Inbox) put(_ paho.Client, m paho.Message) {
	select {
	case b.messages <- Message{m.Topic(), m.Payload(), m.Qos(), m.Retained(), m.Duplicate()}:
	default:
		b.t.Errorf("more than %d messages on %q that the test does not read", inboxSize, b.filter)
	}
}

// Messages is the channel the messages arrive on, for a select.
func (b *Inbox) Messages() <-chan Message { return b.messages }

// Next returns the next message; the test fails if none comes in time.
func (b *Inbox) Next(timeout time.Duration) Message {
	b.t.Helper()
	select {
	case m := <-b.messages:
		return m
	case <-time.After(timeout):
		b.t.Fatalf("no message on %q within %v", b.filter, timeout)
		return Message{}
	}
}

// Await returns the next message that is wanted, and drops those before it.
func (b *Inbox) Await(timeout time.Duration, wanted func(Message) bool) Message {
	b.t.Helper()
	deadline := time.After(timeout)
	for {
		select {
		case m := <-b.messages:
			if wanted(m) {
				return m
			}
		case <-deadline:
			b.t.Fatalf("the awaited message did not come on %q within %v", b.filter, timeout)
		}
	}
}

// Quiet fails the test if a message comes within d.
func (b *Inbox) Quiet(d time.Duration) {
	b.t.Helper()
	select {
	case m := <-b.messages:
		b.t.Fatalf("unexpected message on %q: %q", m.Topic, m.Payload)
	case <-time.After(d):
	}
}
