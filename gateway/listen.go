package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"slices"

	"modferry/gateway/backlog"
	"modferry/gateway/broker"
	"modferry/gateway/certificate"
	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/journal"
	"modferry/gateway/mqtt"
	"modferry/gateway/poll"
)

// maxEvents bounds the replies and errors that wait while the broker is away.
const maxEvents = 20_000

// ownUser is the gateway's own name at its embedded broker, where users are asked for a password.
const ownUser = "modferry-gateway"

// listen opens the embedded broker and the console.
func (g *Gateway) listen(c *config.Config) error {
	if c.Broker != nil {
		g.own = broker.Own{ClientID: c.MQTT.ClientID, Username: ownUser, Password: rand.Text(), AsPublished: g.asPublished}
		o := broker.Options{Listen: c.Broker.MQTT, Users: brokerUsers(c), Own: g.own, Logger: g.log}
		if c.DataDir != "" {
			o.Dir = filepath.Join(c.DataDir, "broker")
		}
		if err := g.secure(c.Broker.TLS, &o.TLS); err != nil {
			return err
		}
		if o.TLS != nil { // the gateway itself needs no certificate to reach it
			o.Plain = "127.0.0.1:0"
		}
		var err error
		if g.broker, err = broker.New(o); err != nil {
			return err
		}
	}
	return g.listenHTTP(c)
}

func (g *Gateway) listenHTTP(c *config.Config) error {
	if c.HTTP == nil {
		return nil
	}
	o := console.Options{
		Listen: c.HTTP.Listen, Gateway: c.Gateway, View: g.view, Users: map[string]string{},
		Live: g.Live, Ready: g.Connected, Logger: g.log,
	}
	for name, password := range c.HTTP.Users {
		o.Users[name] = password.Reveal()
	}
	if g.broker != nil {
		o.MQTT = g.broker.WebSocket()
	}
	if err := g.secure(c.HTTP.TLS, &o.TLS); err != nil {
		return err
	}
	var err error
	g.console, err = console.New(o)
	return err
}

// secure sets where a listener takes its TLS from, if it has any.
func (g *Gateway) secure(files *config.ServerTLS, to *func() (*tls.Config, error)) error {
	if files == nil {
		return nil
	}
	source, err := certificate.New(certificate.Files(*files), g.log)
	if err == nil {
		*to = source.Config
	}
	return err
}

// remember opens the journal, the backlog, what devices taught, readings counted and the
// broker retains, in memory unless there is a folder for them. A journal that another process has open means that a
// second gateway was started by mistake.
func (g *Gateway) remember(c *config.Config) error {
	g.taught, g.counted = poll.OpenMemory(c.DataDir, g.log), poll.OpenTotals(c.DataDir, g.log)
	g.left = openLeftovers(c.DataDir, g)
	var err error
	if g.journal, err = journal.Open(journal.Options{Dir: c.DataDir, Logger: g.log}); err != nil {
		return err
	}
	g.backlog, err = backlog.Open(backlog.Options{Dir: c.DataDir, Max: c.Backlog.Max, Rate: c.Backlog.Rate, Logger: g.log})
	return err
}

// unlisten frees what was opened for a gateway that is not going to run.
func (g *Gateway) unlisten() {
	if g.console != nil {
		_ = g.console.Close() // nobody has connected
	}
	if g.broker != nil {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.broker.Run(done) // closes it
	}
	if g.journal != nil {
		_ = g.journal.Close() // nothing is in it
	}
	if g.backlog != nil {
		_ = g.backlog.Close() // nothing was added
	}
}

// brokerUsers are the users of the embedded broker, but for the gateway itself.
func brokerUsers(c *config.Config) map[string]broker.User {
	if len(c.Broker.Users) == 0 {
		return nil
	}
	users := make(map[string]broker.User, len(c.Broker.Users))
	for name, u := range c.Broker.Users {
		users[name] = broker.User{Password: u.Password.Reveal(), Topics: u.Topics, Read: u.Read}
	}
	return users
}

// connect prepares the session with the broker.
func (g *Gateway) connect(c *config.Config) error {
	o, err := g.sessionOptions(c)
	if err == nil {
		g.session = mqtt.New(o)
		g.home.session, g.left.session = g.session, g.session
		g.serveAPI()
	}
	return err
}

// sessionOptions are for the configured broker, or else for the embedded one.
func (g *Gateway) sessionOptions(c *config.Config) (mqtt.Options, error) {
	m := c.MQTT
	o := mqtt.Options{
		URL: m.URL, ClientID: m.ClientID, Username: m.Username, Password: m.Password.Reveal(),
		KeepAlive: m.KeepAlive, QoS: m.QoS, Status: g.topics.Status(), ResumeWithin: c.Requests.ResumeWithin,
		Connecting: g.connecting, Online: g.online, Publishing: g.publishing, Handle: g.handle,
		AsPublished: g.asPublished, Events: maxEvents, Logger: g.log,
	}
	o.Topics, o.Optional = g.requestTopics(c)
	o.Optional = append(o.Optional, g.home.topics(c)...)
	if m.Version == config.MQTT5 {
		o.Version = mqtt.V5
	} else if g.hearsItself(c) {
		o.ResumeWithin = 0
	}
	if c.DataDir != "" {
		o.State = filepath.Join(c.DataDir, "session")
	}
	switch {
	case m.URL == "" && g.broker == nil:
		return o, errors.New("no broker: set mqtt.url, or broker for the embedded one")
	case m.URL == "":
		o.URL = "mqtt://" + g.brokerAddress().String()
		o.Username, o.Password = g.own.Username, g.own.Password
	}
	var err error
	o.TLS, err = mqtt.TLS(m.TLS.CA, m.TLS.Cert, m.TLS.Key, m.TLS.ServerName)
	return o, err
}

// hearsItself reports whether a bus has one topic for both directions. With MQTT 3.1.1
// the gateway must recognise what it said there, which it can over one connection
// only; so its session does not outlive one. MQTT 5 does not give a client its own messages.
func (g *Gateway) hearsItself(c *config.Config) bool {
	return slices.ContainsFunc(c.Buses, func(b config.Bus) bool { return isShared(busTopics(g.topics, b)) })
}

// brokerAddress is where the embedded broker speaks plain MQTT.
func (g *Gateway) brokerAddress() net.Addr {
	if plain := g.broker.PlainAddr(); plain != nil {
		return plain
	}
	return g.broker.Addr()
}
