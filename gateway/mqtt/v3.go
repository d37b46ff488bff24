package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// v3 speaks MQTT 3.1.1. The library keeps what is unacknowledged in memory and, with
// the client used again for the next connection, goes on with it under the same packet
// ids; so a handshake of QoS 2 ends as it should. A new process has no memory of one:
// its first publication at QoS 2 could then be taken for the repetition of an old one.
type v3 struct {
	o       *Options
	arrived func(arrival)
	client  paho.Client // nil before the first connection, and to begin afresh
	store   paho.Store  // of client

	mu      sync.Mutex
	ctx     context.Context // of the connection that is being made
	wire    *wire           // of the present connection, or the last
	ended   chan error      // of that
	gone    chan struct{}   // closed when the library is done with a connection that it lost
	dialing error
}

func newV3(o *Options, arrived func(arrival)) *v3 { return &v3{o: o, arrived: arrived} }

// handOver is how long the library may take to pass a publication on to the goroutine
// that writes it. It takes as long as that only if the connection ends just then, as
// the session waits for that goroutine to be free.
const handOver = time.Second

func (v *v3) connect(ctx context.Context, fresh bool) (resumed bool, err error) {
	keep := v.o.ResumeWithin > 0
	if fresh {
		v.client = nil
		if keep { // only a clean session discards the last one, and only an unclean one lasts [MQTT-3.1.2-6]
			v.store = newStore()
			sweeper := paho.NewClient(v.options().SetCleanSession(true))
			if err := v.open(ctx, sweeper); err != nil {
				return false, err
			}
			v.release(sweeper)
		}
	}
	resumed = v.client != nil
	if v.client == nil {
		v.store = newStore()
		v.client = paho.NewClient(v.withWill(v.options()).SetCleanSession(!keep))
	}
	return resumed && keep, v.open(ctx, v.client)
}

// open connects c. If it returns an error, c is as before.
func (v *v3) open(ctx context.Context, c paho.Client) error {
	v.mu.Lock()
	v.ctx, v.dialing = ctx, nil
	v.mu.Unlock()
	token := c.Connect()
	stop := context.AfterFunc(ctx, v.giveUp)
	<-token.Done() // soon after ctx ends
	stop()
	err := token.Error()
	if err == nil && ctx.Err() != nil { // too late
		v.cut()
		v.release(c)
	}
	v.mu.Lock()
	dialing := v.dialing
	v.mu.Unlock()
	switch {
	case dialing != nil:
		return dialing
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("the broker accepts the connection and does not answer: check that the port speaks MQTT")
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return refusedConnection(err, v.o)
	}
	return nil
}

// giveUp ends the connection that is being made. The wire is not closed but fails: the
// library would take no notice of an end that it must have brought about itself.
func (v *v3) giveUp() {
	if w := v.present(); w != nil {
		w.fail(errCut)
	}
}

// refusedConnection puts the library's reasons into words.
func refusedConnection(err error, o *Options) error {
	switch {
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return errors.New("the broker does not speak MQTT 3.1.1: set mqtt.version to \"5\"")
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Errorf("the broker refuses the client id %q: set another with mqtt.client_id", o.ClientID)
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return errors.New("the broker says that it is not available now")
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		return errors.New("bad user name or password, says the broker: check mqtt.username and mqtt.password_file")
	case errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return errors.New("not authorized, says the broker: check mqtt.username and mqtt.password_file, and whether the client id is allowed")
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) && errors.Is(err, packets.ErrorNetworkError) { // the library's words before the reason
		for _, reason := range several.Unwrap() {
			if !errors.Is(reason, packets.ErrorNetworkError) && reason != nil {
				return dialError(reason)
			}
		}
	}
	return dialError(err)
}

func (v *v3) options() *paho.ClientOptions {
	o := v.o
	return paho.NewClientOptions().
		AddBroker(o.URL).
		SetClientID(o.ClientID).
		SetUsername(o.Username).
		SetPassword(o.Password).
		SetKeepAlive(o.KeepAlive).
		SetProtocolVersion(4).
		SetAutoReconnect(false). // the session reconnects, with jitter and one queue
		SetConnectRetry(false).
		SetConnectTimeout(connectTimeout).
		SetPingTimeout(pingTimeout).
		SetWriteTimeout(handOver).
		SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetResumeSubs(false).
		SetStore(v.store).
		SetCustomOpenConnectionFn(v.dial).
		SetDefaultPublishHandler(v.receive).
		SetConnectionLostHandler(v.end)
}

// end is called by the library when a connection was lost, perhaps so late that
// there is another one already.
func (v *v3) end(_ paho.Client, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wire.over() {
		select {
		case v.ended <- err:
			close(v.gone)
		default:
		}
	}
}

func (v *v3) withWill(options *paho.ClientOptions) *paho.ClientOptions {
	if topic, payload, retain := v.o.will(); topic != "" {
		options.SetBinaryWill(topic, payload, 1, retain)
	}
	return options
}

func (v *v3) dial(*url.URL, paho.ClientOptions) (net.Conn, error) {
	v.mu.Lock()
	ctx := v.ctx
	v.mu.Unlock()
	w, err := dial(ctx, v.o.URL, v.o.TLS)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil && ctx.Err() != nil { // giveUp has not seen it
		w.fail(errCut)
		err = ctx.Err()
	}
	if v.dialing = err; err != nil {
		return nil, err
	}
	v.wire, v.gone, v.ended = w, make(chan struct{}), make(chan error, 1)
	return v3Wire{w, v.store}, nil
}

func (v *v3) receive(_ paho.Client, m paho.Message) {
	a := arrival{Message: Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), Duplicate: m.Duplicate()}, qos: m.Qos()}
	if a.qos > 0 {
		a.ack = m.Ack
	}
	v.arrived(a)
}

func (v *v3) subscribe(ctx context.Context, topics []string) (refused []refusal, err error) {
	filters := make(map[string]byte, len(topics))
	for _, t := range topics {
		filters[t] = v.o.subscribeQoS()
	}
	token := v.client.SubscribeMultiple(filters, nil)
	if err := waitToken(ctx, token); err != nil {
		return nil, err
	}
	if granted, ok := token.(*paho.SubscribeToken); ok {
		for topic, qos := range granted.Result() {
			if qos > 2 {
				refused = append(refused, refusal{topic: topic})
			}
		}
	}
	return refused, nil
}

func (v *v3) unsubscribe(ctx context.Context, topics []string) error {
	return waitToken(ctx, v.client.Unsubscribe(topics...))
}

func (v *v3) publish(ctx context.Context, p *publication) (receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if v.present().calm(ctx) != nil {
		return nil, errNotTaken
	}
	token := v.client.Publish(p.topic, p.qos, p.retain, p.payload)
	if p.qos > 0 {
		if done, err := (v3Receipt{token}).poll(); done && errors.Is(err, paho.ErrNotConnected) {
			return nil, errNotTaken
		}
		return v3Receipt{token}, nil
	}
	select {
	case <-token.Done(): // done when written; only a failure is of interest
		if token.Error() != nil {
			return nil, errNotTaken
		}
	default:
	}
	return sent{}, nil
}

func (v *v3) direct() (w *wire, properties bool) { return v.present(), false }

func (v *v3) lost() <-chan error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended
}

func (v *v3) lastAlive() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return lastAlive(v.wire)
}

func (v *v3) silence() time.Duration { return v.present().silence() }

func (v *v3) warning() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wire.warning
}

func (v *v3) disconnect() { v.release(v.client) }

// release ends the connection of c. The library finds out itself about one that is lost:
// if told to disconnect, it would forget which packet ids are in use, and those of
// handshakes of QoS 2 that go on over the next connection would be used twice.
func (v *v3) release(c paho.Client) {
	if v.present().over() {
		v.awaitGone()
	}
	c.Disconnect(uint(goodbye.Milliseconds()))
	_ = v.present().Close() // the library may still be at it; there is no error
}

func (v *v3) cut() { v.present().fail(errCut) }

// awaitGone waits until the library knows that the connection is lost.
func (v *v3) awaitGone() {
	v.mu.Lock()
	gone := v.gone
	v.mu.Unlock()
	select {
	case <-gone:
	case <-time.After(goodbye):
	}
}

func (v *v3) present() *wire {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wire
}

// lastAlive is when bytes came last over w, or when the broker ended it in order, for
// until then it would have sent what it had; unless it was silent before that, when
// something in between may have kept that back.
func lastAlive(w *wire) time.Time {
	if w == nil {
		return time.Time{}
	}
	last := w.lastReceived()
	if w.eof() && time.Since(last) < trustedSilence {
		return time.Now()
	}
	return last
}
