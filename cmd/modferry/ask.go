package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// conversation is one request to a gateway over MQTT.
type conversation struct {
	flags   sendFlags
	status  string // topics
	topics  message.Bus
	client  string
	online  bool // the gateway said so
	bus     bool // it said something about the bus
	session *mqtt.Session
	arrived chan mqtt.Message
	failed  chan error
}

// throughGateway asks as JSON, because only that tells a device's refusal from the
// gateway's and why; where the bus takes no JSON it asks with the frame itself. It
// returns the reply as the request was written, nil for a broadcast.
func (f sendFlags) throughGateway(ctx context.Context, text string) ([]byte, error) {
	c, err := f.converse()
	if err != nil {
		return nil, err
	}
	visit, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() { defer close(left); c.session.Run(visit) }()
	defer func() { leave(); <-left }()

	asked, err := json.Marshal(map[string]string{"id": rand.Text(), "frame": text})
	if err != nil {
		return nil, err
	}
	reply, refused, err := c.ask(ctx, asked)
	if err != nil {
		return nil, err
	}
	if refused == nil {
		frame, err := frameOf(reply)
		var none *noReply
		if !errors.As(err, &none) || none.code != string(message.NotAFrame) {
			return frame, err
		}
		refused = &report{none.code, none.message}
	}
	if refused.Code == string(message.NotAFrame) { // not a bus for JSON
		if reply, refused, err = c.ask(ctx, []byte(text)); err != nil || refused == nil {
			return reply, err
		}
	}
	return nil, fmt.Errorf("the gateway refuses the message (%s): %s", refused.Code, refused.Message)
}

// frameOf returns the frame of a JSON reply; what the gateway itself answered is an error.
func frameOf(reply []byte) ([]byte, error) {
	var answer struct {
		OK      bool
		Frame   string
		Error   struct{ Code, Message string }
		Outcome string
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return nil, fmt.Errorf("the reply %q cannot be read: %w", reply, err)
	}
	switch {
	case answer.Frame != "":
		return []byte(answer.Frame), nil
	case answer.OK:
		return nil, nil
	case answer.Outcome == string(message.Unknown):
		answer.Error.Message += "; the write may have reached the device: read before you write again"
	}
	return nil, &noReply{answer.Error.Code, answer.Error.Message}
}

// noReply is what the gateway says instead of the device.
type noReply struct{ code, message string }

func (e *noReply) Error() string {
	return fmt.Sprintf("no reply of the device (%s): %s", e.code, e.message)
}

// report is what comes on the error topic.
type report struct{ Code, Message string }

// ask publishes a request and waits for its reply or for the report that it is none.
func (c *conversation) ask(ctx context.Context, payload []byte) (reply []byte, refused *report, err error) {
	c.session.Publish(mqtt.Event{Topic: c.topics.Request(c.client), Payload: payload})
	return c.listen(ctx, payload)
}

// listen waits for the next reply or report.
func (c *conversation) listen(ctx context.Context, payload []byte) (reply []byte, refused *report, err error) {
	for {
		select {
		case m := <-c.arrived:
			switch {
			case m.Topic == c.status && string(m.Payload) == message.Offline:
				return nil, nil, fmt.Errorf("gateway %s is offline", c.name())
			case m.Topic == c.status:
				c.online = true
			case m.Topic == c.topics.Status():
				c.bus = true
			case m.Topic == c.topics.Error(c.client):
				refused = &report{}
				if err := json.Unmarshal(m.Payload, refused); err != nil {
					return nil, nil, fmt.Errorf("the gateway reports an error that cannot be read: %q", m.Payload)
				}
				return nil, refused, nil
			case !bytes.Equal(m.Payload, payload): // not our own, on a topic for both directions
				return m.Payload, nil, nil
			}
		case err := <-c.failed:
			return nil, nil, fmt.Errorf("broker %s: %w", redacted(c.flags.broker), err)
		case <-ctx.Done():
			return nil, nil, c.nobody()
		}
	}
}

// redacted is a broker's address without the password that somebody wrote into it.
func redacted(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return "(an address that cannot be read)"
	}
	return u.Redacted()
}

// nobody says why there may be no reply.
func (c *conversation) nobody() error {
	switch {
	case !c.online:
		return fmt.Errorf("no reply within %s: no gateway %s announces itself at this broker; check --gateway and --broker", c.flags.timeout, c.name())
	case !c.bus:
		return fmt.Errorf("no reply within %s: gateway %s is online and has no bus %q; check --bus", c.flags.timeout, c.name(), c.flags.bus)
	}
	return fmt.Errorf("no reply within %s: gateway %s is online; a bus with fixed topics needs --request and --response, and the broker's rules must allow the client name %q (--client)", c.flags.timeout, c.name(), c.client)
}

func (c *conversation) name() string { return strings.TrimSuffix(c.status, "/status") }

// converse prepares the session; it connects when it is run.
func (f sendFlags) converse() (*conversation, error) {
	topics, err := f.topics()
	if err != nil {
		return nil, err
	}
	client := f.client
	switch {
	case client != "":
	case message.ValidName(f.username): // access rules of brokers go by it
		client = f.username
	default:
		client = "send-" + rand.Text()[:8]
	}
	if f.bus == "" || !message.ValidName(f.bus) || !message.ValidName(client) {
		return nil, usage("--broker needs --gateway and --bus; a name has 1 to 64 letters, digits, _ or -")
	}
	password, err := f.password()
	if err != nil {
		return nil, err
	}
	tls, err := mqtt.TLS(f.ca, "", "", "")
	if err != nil {
		return nil, err
	}
	c := &conversation{
		flags: f, client: client, status: topics.Status(), topics: topics.Bus(f.bus, f.request, f.response),
		arrived: make(chan mqtt.Message, 16), failed: make(chan error, 1),
	}
	c.session = mqtt.New(mqtt.Options{
		URL: f.broker, ClientID: "modferry-send-" + rand.Text()[:12], Username: f.username, Password: password, TLS: tls,
		KeepAlive: 30 * time.Second, QoS: 1, Logger: slog.New(slog.DiscardHandler), Events: 2,
		Topics: []string{c.topics.Response(client)}, Optional: []string{c.topics.Error(client), c.topics.Status(), c.status},
		Failed: func(err error) {
			select {
			case c.failed <- err:
			default:
			}
		},
		Handle: func(m mqtt.Message) {
			m.Ack()
			select {
			case c.arrived <- m:
			default: // one reply is waited for; a flood of others is not
			}
		},
	})
	return c, nil
}

func (f sendFlags) topics() (message.Topics, error) {
	switch {
	case f.prefix != "":
		return message.Topics{Prefix: f.prefix}, nil
	case !message.ValidName(f.gateway):
		return message.Topics{}, usage("--broker needs --gateway and --bus; a name has 1 to 64 letters, digits, _ or -")
	}
	return message.Topics{Prefix: "modferry/" + f.gateway}, nil
}

func (f sendFlags) password() (string, error) {
	if f.passwordFile == "" {
		return os.Getenv("MODFERRY_PASSWORD"), nil
	}
	text, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", usage("--password-file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
