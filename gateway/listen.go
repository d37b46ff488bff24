package gateway

import (
	"context"
	"crypto/rand"
	"fmt"

	"modferry/gateway/broker"
	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// maxEvents bounds the replies and errors that wait while the broker is away.
const maxEvents = 20_000

// ownUser is the gateway's own name at its embedded broker, where users are asked for a password.
const ownUser = "modferry-gateway"

// listen opens the embedded broker and the console.
func (g *Gateway) listen() error {
	c := g.config
	if c.Broker != nil {
		var err error
		if g.broker, err = broker.New(broker.Options{Listen: c.Broker.MQTT, Users: brokerUsers(c), Logger: g.log}); err != nil {
			return err
		}
	}
	if c.HTTP == nil {
		return nil
	}
	o := console.Options{Listen: c.HTTP.Listen, Gateway: c.Gateway, Prefix: c.Prefix}
	if g.broker != nil {
		o.MQTT = g.broker.WebSocket()
	}
	for _, b := range c.Buses {
		o.Buses = append(o.Buses, consoleBus(g.topics, b))
	}
	for _, d := range c.Devices {
		o.Devices = append(o.Devices, d.Name)
	}
	var err error
	g.console, err = console.New(o)
	return err
}

func consoleBus(t message.Topics, b config.Bus) console.Bus {
	topics, client := busTopics(t, b), "<your name>"
	if b.Request != "" { // fixed topics have no endings
		client = ""
	}
	return console.Bus{Name: b.Name, Request: topics.Request(client), Response: topics.Response(client), Error: topics.Error(client)}
}

// remember opens the journal, in memory unless there is a folder for it. A journal
// that another process has open means that a second gateway was started by mistake.
func (g *Gateway) remember() error {
	var err error
	g.journal, err = journal.Open(journal.Options{Dir: g.config.DataDir, Logger: g.log})
	return err
}

// unlisten frees what listen opened, of a gateway that is not going to run.
func (g *Gateway) unlisten() {
	if g.console != nil {
		_ = g.console.Close() // nobody has connected
	}
	if g.broker != nil {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.broker.Run(done) // closes it
	}
}

// brokerUsers adds the gateway itself, with a password for this process only, to
// the configured users.
func brokerUsers(c *config.Config) map[string]broker.User {
	if len(c.Broker.Users) == 0 {
		return nil
	}
	users := make(map[string]broker.User, len(c.Broker.Users)+1)
	for name, u := range c.Broker.Users {
		users[name] = broker.User{Password: u.Password.Reveal(), Topics: u.Topics}
	}
	if c.MQTT.URL == "" {
		c.MQTT.Username, c.MQTT.Password = ownUser, config.NewSecret(rand.Text())
		users[ownUser] = broker.User{Password: c.MQTT.Password.Reveal(), Topics: []string{"#"}}
	}
	return users
}

// connect prepares the session with the broker, the embedded one if no other is configured.
func (g *Gateway) connect() error {
	m := g.config.MQTT
	if m.URL == "" {
		if g.broker == nil {
			return fmt.Errorf("no broker: set mqtt.url, or broker for the embedded one")
		}
		m.URL = "mqtt://" + g.broker.Addr().String()
	}
	tls, err := mqtt.TLS(m.TLS.CA, m.TLS.Cert, m.TLS.Key, m.TLS.ServerName)
	if err != nil {
		return err
	}
	g.session = mqtt.New(mqtt.Options{
		URL: m.URL, ClientID: m.ClientID, Username: m.Username, Password: m.Password.Reveal(), TLS: tls,
		KeepAlive: m.KeepAlive, QoS: m.QoS, Status: g.topics.Status(), Topics: g.requestTopics(),
		Connecting: g.connecting, Online: g.online, Publishing: g.publishing, Handle: g.handle,
		Events: maxEvents, Logger: g.log,
	})
	return nil
}
