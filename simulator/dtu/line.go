package dtu

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/modbus/hextext"
)

const (
	maxWaiting    = 64                     // messages that were not read; more are dropped
	maxMessage    = 4096                   // bytes of a request
	publishing    = 5 * time.Second        // for a message to leave
	goodbye       = 250 * time.Millisecond // for the connection to end well
	keepalive     = 30 * time.Second
	shortestRetry = 100 * time.Millisecond
	longestRetry  = 5 * time.Second
	dialAllowance = 10 * time.Second
	mqtt311       = 4 // the protocol level [MQTT 3.1.1, 3.1.2.2]
)

// Line is the devices' end of the line.
type Line struct {
	o      Options
	client paho.Client

	requests chan []byte
	rest     []byte // of the request that is being read
	closed   chan struct{}
	once     sync.Once
	lost     chan struct{} // holds a token when the connection has ended
	keeping  sync.WaitGroup
}

// Open connects and returns the line once its requests are subscribed to. The error
// is that of the first try, of ctx, or of [Options.Check].
func Open(ctx context.Context, o Options) (*Line, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Line{o: o, requests: make(chan []byte, maxWaiting), closed: make(chan struct{}), lost: make(chan struct{}, 1)}
	subscribed := make(chan error, 1)
	settings, err := l.settings(func(err error) {
		select {
		case subscribed <- err:
		default: // a later connection
			if err != nil {
				o.Logger.Warn("no request is received any more", "topic", o.Request, "reason", err)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	l.client = paho.NewClient(settings)
	if err := l.connect(ctx, subscribed); err != nil {
		l.client.Disconnect(0)
		return nil, fmt.Errorf("cannot reach the MQTT server: %w", plain(err))
	}
	l.keeping.Go(l.keep)
	return l, nil
}

// keep connects again whenever the connection was lost. The client's own way of doing
// so cannot be ended while it waits for the next try.
func (l *Line) keep() {
	for {
		select {
		case <-l.lost:
		case <-l.closed:
			return
		}
		for pause := shortestRetry; !l.connectAgain(); pause = min(2*pause, longestRetry) {
			select {
			case <-time.After(pause):
			case <-l.closed:
				return
			}
		}
	}
}

func (l *Line) connectAgain() bool {
	token := l.client.Connect()
	select {
	case <-token.Done():
		return token.Error() == nil
	case <-l.closed:
		return true
	}
}

func (l *Line) connect(ctx context.Context, subscribed <-chan error) error {
	token := l.client.Connect()
	select {
	case <-token.Done():
		if token.Error() != nil {
			return token.Error()
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-subscribed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Line) settings(subscribed func(error)) (*paho.ClientOptions, error) {
	server, err := l.o.server()
	if err != nil {
		return nil, err
	}
	s := paho.NewClientOptions().SetCleanSession(true).SetAutoReconnect(false).SetOrderMatters(true).
		SetProtocolVersion(mqtt311). // else a refusal is followed by a try with 3.1, and hidden by what that gives
		SetKeepAlive(keepalive).SetConnectTimeout(dialAllowance).SetClientID(l.o.ClientID)
	if server.User != nil {
		password, _ := server.User.Password()
		s.SetUsername(server.User.Username()).SetPassword(password)
		server.User = nil
	}
	if l.o.Username != "" {
		s.SetUsername(l.o.Username).SetPassword(l.o.Password)
	}
	s.Servers = append(s.Servers, server)
	s.SetConnectionLostHandler(func(_ paho.Client, err error) {
		l.o.Logger.Warn("the connection to the MQTT server was lost, it is made again", "server", server.Host, "reason", err)
		select {
		case l.lost <- struct{}{}:
		default: // it is told already
		}
	})
	s.SetOnConnectHandler(func(c paho.Client) {
		token := c.Subscribe(l.o.Request, l.o.QoS, l.received)
		if !token.WaitTimeout(publishing) {
			subscribed(fmt.Errorf("it did not confirm the subscription to %s within %v", l.o.Request, publishing))
			return
		}
		subscribed(errors.Join(token.Error(), refused(token, l.o.Request)))
	})
	return s, nil
}

// refused returns an error if the server answered a subscription with a failure
// [MQTT 3.1.1, 3.9.3], which is none of the token.
func refused(t paho.Token, topic string) error {
	s, is := t.(*paho.SubscribeToken)
	if is && s.Result()[topic] > 2 {
		return fmt.Errorf("it does not allow to subscribe to %s", topic)
	}
	return nil
}

// plain takes the client's own words away from an error of the network.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}

// received takes a message; it must not wait.
func (l *Line) received(_ paho.Client, m paho.Message) {
	if m.Retained() {
		l.o.Logger.Info("a retained message is no request", "topic", m.Topic())
		return
	}
	b := append([]byte(nil), m.Payload()...)
	if l.o.Hex {
		var err error
		if b, _, err = hextext.Parse(b); err != nil {
			l.o.Logger.Warn("a request is not hex", "topic", m.Topic(), "reason", err)
			return
		}
	}
	if len(b) == 0 || len(b) > maxMessage {
		l.o.Logger.Warn("a request has no bytes, or too many", "topic", m.Topic(), "bytes", len(b))
		return
	}
	select {
	case l.requests <- b:
	default:
		l.o.Logger.Warn("a request was dropped: too many wait", "topic", m.Topic())
	}
}

// Read returns bytes of one request. The error is [net.ErrClosed].
func (l *Line) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		select {
		case l.rest = <-l.requests:
		case <-l.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// Write sends b as one message. Without a connection it is lost, which is no error.
func (l *Line) Write(b []byte) (int, error) {
	select {
	case <-l.closed:
		return 0, net.ErrClosed
	default:
	}
	if len(b) == 0 {
		return 0, nil
	}
	payload := append([]byte(nil), b...) // the client may keep it
	if l.o.Hex {
		payload = []byte(strings.ToUpper(hex.EncodeToString(b)))
	}
	err := errors.New("there is no connection")
	if l.client.IsConnectionOpen() {
		token := l.client.Publish(l.o.Response, l.o.QoS, false, payload)
		select {
		case <-token.Done():
			err = token.Error()
		case <-time.After(publishing):
			err = fmt.Errorf("it did not leave within %v", publishing)
		case <-l.closed:
			return 0, net.ErrClosed
		}
	}
	if err != nil {
		l.o.Logger.Warn("a response was lost", "topic", l.o.Response, "reason", err)
	}
	return len(b), nil
}

// Close ends the connection, and what waits for it.
func (l *Line) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.keeping.Wait()
		l.client.Disconnect(uint(goodbye.Milliseconds()))
	})
	return nil
}
