package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/remote"
)

// examineBroker connects as the gateway does, but for its client id, publishes a message
// to itself below the gateway's prefix, and looks whether a gateway of this name is online.
func (e *examination) examineBroker(ctx context.Context) {
	if e.broker.URL == "" && !e.findEmbedded(ctx) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	if err := e.resolve(ctx); err != nil {
		e.bad("broker", err)
		return
	}
	v, err := e.visit()
	if err != nil {
		e.bad("broker", err)
		return
	}
	visit, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() { defer close(left); v.session.Run(visit) }()
	defer func() { leave(); <-left }()
	if err := v.echo(ctx); err != nil {
		e.bad("broker", err)
		return
	}
	e.running = v.online
	running := ""
	if e.running {
		running = "; the gateway is online"
	}
	e.good("broker", "%s takes and delivers what is published below %s%s", remote.Redacted(e.broker.URL), e.Config.Prefix, running)
}

// findEmbedded looks for the embedded broker of a gateway that runs, and reports whether
// there is one that can be asked.
func (e *examination) findEmbedded(ctx context.Context) bool {
	b := e.Config.Broker
	if b == nil {
		e.bad("broker", errors.New("there is none: set mqtt.url, or broker for the embedded one"))
		return false
	}
	conn, err := (&net.Dialer{Timeout: e.Timeout}).DialContext(ctx, "tcp", b.MQTT)
	if err != nil {
		l, failed := net.Listen("tcp", b.MQTT)
		if failed != nil {
			e.bad("broker", fmt.Errorf("the embedded broker cannot listen: %w", failed))
			return false
		}
		_ = l.Close() // nobody has connected
		e.good("broker", "embedded; the gateway does not run, and %s is free for it", b.MQTT)
		return false
	}
	_ = conn.Close() // something is there
	if len(b.Users) > 0 || b.TLS != nil {
		e.good("broker", "embedded; something listens on %s, probably this gateway. Its users have passwords and it owns the lines, so buses and devices were not tried: look at its console, or at modferry watch with a user", b.MQTT)
		e.Config.Buses, e.running = nil, true
		return false
	}
	e.broker.URL = "mqtt://" + b.MQTT
	return true
}

// resolve finds the broker's host and port, which has errors of its own.
func (e *examination) resolve(ctx context.Context) error {
	u, err := url.Parse(e.broker.URL)
	if err != nil {
		return errors.New("mqtt.url cannot be read")
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
		return fmt.Errorf("the name %s of mqtt.url is not known here (%w): check its spelling, and the name servers of this machine", u.Hostname(), err)
	}
	return nil
}

// visit is a connection that publishes a message to itself.
type visit struct {
	session *mqtt.Session
	topic   string
	online  bool // the gateway says so
	heard   chan mqtt.Message
	failed  chan error
}

func (e *examination) visit() (*visit, error) {
	m := e.broker
	tls, err := mqtt.TLS(m.TLS.CA, m.TLS.Cert, m.TLS.Key, m.TLS.ServerName)
	if err != nil {
		return nil, err
	}
	topics := message.Topics{Prefix: e.Config.Prefix}
	v := &visit{topic: e.Config.Prefix + "/doctor/" + rand.Text()[:8], heard: make(chan mqtt.Message, 4), failed: make(chan error, 1)}
	o := mqtt.Options{
		URL: m.URL, ClientID: m.ClientID + "-doctor-" + rand.Text()[:6], Username: m.Username, Password: m.Password.Reveal(), TLS: tls,
		KeepAlive: 30 * time.Second, QoS: 1, Topics: []string{v.topic}, Optional: []string{topics.Status()}, Events: 1,
		Logger: slog.New(slog.DiscardHandler),
		Handle: func(m mqtt.Message) {
			m.Ack()
			select {
			case v.heard <- m:
			default: // two are waited for
			}
		},
		Failed: func(err error) {
			select {
			case v.failed <- err:
			default:
			}
		},
	}
	if m.Version == config.MQTT5 {
		o.Version = mqtt.V5
	}
	v.session = mqtt.New(o)
	return v, nil
}

// echo waits for the message to itself. The gateway's status, which is retained, comes
// before it, if there is one.
func (v *visit) echo(ctx context.Context) error {
	v.session.Publish(mqtt.Event{Topic: v.topic, Payload: []byte("modferry doctor was here")})
	for {
		select {
		case m := <-v.heard:
			if m.Topic == v.topic {
				return nil
			}
			v.online = string(m.Payload) == message.Online
		case err := <-v.failed:
			return fmt.Errorf("no connection: %w", err)
		case <-ctx.Done():
			if v.session.Status().Connected {
				return fmt.Errorf("the login is good, and nothing published on %s comes back: the broker's access rules must allow this user to publish and subscribe below the gateway's prefix", v.topic)
			}
			return errors.New("no answer: check the address, and whether a firewall drops the connection")
		}
	}
}

// remote says how a bus is reached through the gateway that runs.
func (e *examination) remote(b config.Bus) (remote.Options, error) {
	m := e.broker
	tls, err := mqtt.TLS(m.TLS.CA, m.TLS.Cert, m.TLS.Key, m.TLS.ServerName)
	return remote.Options{
		URL: m.URL, Username: m.Username, Password: m.Password.Reveal(), TLS: tls, Prefix: e.Config.Prefix,
		Bus: b.Name, Request: b.Request, Response: b.Response, Client: "doctor",
	}, err
}
