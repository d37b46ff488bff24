package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

const (
	receiveMaximum  = 64                 // messages that the broker may send ahead of acknowledgements
	maximumPacket   = 1<<20 + 128<<10    // bytes; larger messages the broker keeps to itself
	expiryMargin    = 30 * time.Second   // that the broker keeps a session beyond ResumeWithin, whose end the session judges itself
	mostExpiry      = math.MaxUint32 - 1 // seconds; the next one means for ever
	unspecifiedFrom = 0x80               // reason codes from here on are failures
)

// v5 speaks MQTT 5. A connection is a client of the library; what outlives it is in
// the library's session state, wrapped by [v5session].
type v5 struct {
	o       *Options
	arrived func(arrival)
	session *v5session
	client  *paho.Client
	wire    atomic.Pointer[wire] // of the present connection, or the last
	ended   chan error           // of the present connection
	most    limits
	will    limits // what a will may ask for
}

// limits are what the broker allows.
type limits struct {
	qos    byte
	retain bool
	packet int // bytes; 0 = any
}

func newV5(o *Options, arrived func(arrival)) *v5 {
	return &v5{o: o, arrived: arrived, will: limits{qos: 1, retain: true}}
}

func (v *v5) connect(ctx context.Context, fresh bool) (resumed bool, err error) {
	if fresh || v.session == nil {
		v.session = &v5session{State: state.NewInMemory(), arrived: v.arrived}
	}
	w, err := dial(ctx, v.o.URL, v.o.TLS)
	if err != nil {
		return false, err
	}
	v.wire.Store(w)
	ended := make(chan error, 1)
	end := func(err error) {
		select {
		case ended <- err:
		default:
		}
	}
	v.ended = ended
	v.client = paho.NewClient(paho.ClientConfig{
		ClientID: v.o.ClientID, Conn: w, Session: v.session, PacketTimeout: connectTimeout,
		OnPublishReceived:  []func(paho.PublishReceived) (bool, error){func(paho.PublishReceived) (bool, error) { return true, nil }}, // see v5session.Ack
		OnClientError:      end,
		OnServerDisconnect: func(d *paho.Disconnect) { end(v.sentAway(d)) },
	})
	answer, err := v.client.Connect(ctx, v.hello(fresh))
	switch {
	case err == nil:
	case answer != nil && v.lower(answer.ReasonCode):
		return v.connect(ctx, fresh)
	case answer != nil && answer.ReasonCode >= unspecifiedFrom:
		return false, v.refusedConnection(answer)
	case errors.Is(ctx.Err(), context.Canceled):
		return false, ctx.Err()
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return false, errors.New("the broker accepts the connection and does not answer: check that the port speaks MQTT 5")
	case w.refusesVersion():
		return false, errors.New("the broker does not speak MQTT 5: set mqtt.version to \"3.1.1\"")
	default:
		return false, dialError(err)
	}
	v.most = allowed(answer)
	return answer.SessionPresent, nil
}

// lower asks for less in the will if the broker refuses what it asked for, and reports
// whether it did [MQTT-3.2.2-12], [MQTT-3.2.2-13].
func (v *v5) lower(code byte) bool {
	before := v.will
	switch code {
	case noRetain:
		v.will.retain = false
	case lessQoS:
		v.will.qos = 0
	}
	return v.will != before
}

// hello is the CONNECT packet.
func (v *v5) hello(fresh bool) *paho.Connect {
	o := v.o
	expiry, most, size := uint32(0), uint16(receiveMaximum), uint32(maximumPacket)
	if o.ResumeWithin > 0 {
		expiry = uint32(min((o.ResumeWithin+expiryMargin)/time.Second, mostExpiry))
	}
	c := &paho.Connect{
		ClientID: o.ClientID, KeepAlive: uint16(o.KeepAlive / time.Second), CleanStart: fresh || expiry == 0,
		Username: o.Username, UsernameFlag: o.Username != "", Password: []byte(o.Password), PasswordFlag: o.Password != "",
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry, ReceiveMaximum: &most, MaximumPacketSize: &size, RequestProblemInfo: true},
	}
	if topic, payload, retain := o.will(); topic != "" {
		c.WillMessage = &paho.WillMessage{Topic: topic, Payload: payload, QoS: v.will.qos, Retain: retain && v.will.retain}
	}
	return c
}

func allowed(answer *paho.Connack) limits {
	most := limits{qos: 2, retain: true}
	if p := answer.Properties; p != nil {
		most.retain = p.RetainAvailable
		if p.MaximumQoS != nil {
			most.qos = *p.MaximumQoS
		}
		if p.MaximumPacketSize != nil {
			most.packet = int(*p.MaximumPacketSize)
		}
	}
	return most
}

func (v *v5) subscribe(ctx context.Context, topics []string) (refused []refusal, err error) {
	s := &paho.Subscribe{}
	for _, t := range topics {
		s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: t, QoS: v.o.subscribeQoS(), NoLocal: true, RetainAsPublished: v.o.AsPublished(t)})
	}
	ctx, cancel := v.whileConnected(ctx)
	defer cancel()
	answer, err := v.client.Subscribe(ctx, s)
	if answer == nil {
		return nil, v.unanswered(err)
	}
	words := ""
	if answer.Properties != nil {
		words = answer.Properties.ReasonString
	}
	for i, code := range answer.Reasons {
		if code >= unspecifiedFrom && i < len(topics) {
			refused = append(refused, refusal{topics[i], reason(code, words)})
		}
	}
	return refused, nil
}

func (v *v5) unsubscribe(ctx context.Context, topics []string) error {
	ctx, cancel := v.whileConnected(ctx)
	defer cancel()
	_, err := v.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: topics})
	return v.unanswered(err)
}

// whileConnected returns a context that ends with the connection; the library would
// wait for an answer that cannot come any more.
func (v *v5) whileConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	over := v.client.Done()
	go func() {
		select {
		case <-over:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// unanswered is err, but for a connection that ended.
func (v *v5) unanswered(err error) error {
	select {
	case <-v.client.Done():
		return errors.New("the connection ended before the broker answered")
	default:
		return err
	}
}

func (v *v5) publish(ctx context.Context, p *publication) (receipt, error) {
	switch {
	case p.retain && !v.most.retain:
		return nil, &refusal{p.topic, "it keeps no retained messages"}
	case v.most.packet > 0 && len(p.topic)+len(p.payload)+len(p.correlation)+64 > v.most.packet:
		return nil, &refusal{p.topic, fmt.Sprintf("its packets have at most %d bytes", v.most.packet)}
	}
	out := &paho.Publish{Topic: p.topic, QoS: min(p.qos, v.most.qos), Retain: p.retain, Payload: p.payload}
	if p.correlation != nil {
		out.Properties = &paho.PublishProperties{CorrelationData: p.correlation}
	}
	r := &v5Receipt{topic: p.topic, answer: make(chan packets.ControlPacket, 1)}
	v.session.expect(r.answer)
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	w := v.wire.Load()
	_ = w.SetWriteDeadline(time.Now().Add(writeTimeout)) // never fails
	_, err := v.client.PublishWithOptions(ctx, out, paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
	_ = w.SetWriteDeadline(time.Time{})
	switch {
	case err == nil && out.QoS == 0:
		return sent{}, nil
	case err == nil:
		return r, nil
	case errors.Is(err, paho.ErrNetworkErrorAfterStored): // the library goes on, without this one
		v.cut()
		return r, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, errNoRoom
	case errors.Is(err, paho.ErrInvalidArguments):
		return nil, &refusal{p.topic, err.Error()}
	}
	return nil, errNotTaken
}

func (v *v5) direct() (w *wire, properties bool) {
	if !v.most.retain || v.most.packet > 0 { // the library's way tells of what is refused
		return nil, false
	}
	return v.wire.Load(), true
}

// errNoRoom: the broker acknowledged nothing for so long that no more may be sent.
var errNoRoom = fmt.Errorf("%w: no acknowledgement came", errNotTaken)

func (v *v5) lost() <-chan error { return v.ended }

func (v *v5) lastAlive() time.Time { return lastAlive(v.wire.Load()) }

func (v *v5) silence() time.Duration { return v.wire.Load().silence() }

var errNoRetain = errors.New("the broker keeps no retained messages, so readings and states are not published: allow retain in the broker's configuration")

func (v *v5) warning() error {
	warning := v.wire.Load().warning
	switch {
	case v.most.retain:
		return warning
	case warning == nil:
		return errNoRetain
	}
	return fmt.Errorf("%w; %w", warning, errNoRetain)
}

func (v *v5) cut() { v.wire.Load().fail(errCut) }

func (v *v5) disconnect() {
	_ = v.client.Disconnect(&paho.Disconnect{}) // fails only if the connection has ended
}
