package gateway

import (
	"errors"
	"reflect"
	"slices"

	"modferry/gateway/config"
	"modferry/gateway/message"
)

// ErrRestart: another configuration changes what the whole gateway stands on, or the
// gateway does not run. Nothing of it was applied.
var ErrRestart = errors.New("gateway, prefix, data_dir, broker, http or sparkplug changed: the gateway has to start anew")

// Reload goes over to another configuration while [Gateway.Run] runs. Buses and devices
// that are configured as before go on with their transactions and connections, and
// the session with its connection if mqtt is as before. Errors: [ErrRestart], or why
// nothing was applied.
func (g *Gateway) Reload(c *config.Config) error {
	g.arranging.Lock()
	defer g.arranging.Unlock()
	old := g.config.Load()
	if g.work == nil || needsRestart(old, c) {
		return ErrRestart
	}
	g.home.begin()
	options, err := g.sessionOptions(c)
	if err != nil {
		return err
	}
	if g.broker != nil && !reflect.DeepEqual(old.Broker.Users, c.Broker.Users) {
		if err := g.broker.SetUsers(brokerUsers(c)); err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(old.MQTT, c.MQTT) {
		if err := g.reconfigureEdge(c); err != nil {
			return err
		}
	}
	g.config.Store(c)
	g.plant.arrange(g.work, c)
	g.home.announce(c)
	if reflect.DeepEqual(old.MQTT, c.MQTT) && old.Requests.ResumeWithin == c.Requests.ResumeWithin {
		g.session.SetTopics(options.Topics, options.Optional)
	} else {
		g.session.Reconfigure(options)
	}
	g.backlog.SetLimits(c.Backlog.Max, c.Backlog.Rate)
	g.forget(old, c)
	g.busChanged()
	return nil
}

// needsRestart: listeners and folders are opened once, and the prefix is in every topic.
func needsRestart(old, c *config.Config) bool {
	return old.Gateway != c.Gateway || old.Prefix != c.Prefix || old.DataDir != c.DataDir ||
		!reflect.DeepEqual(old.HTTP, c.HTTP) || !reflect.DeepEqual(old.Sparkplug, c.Sparkplug) || !sameBroker(old.Broker, c.Broker) ||
		old.Broker != nil && old.MQTT.ClientID != c.MQTT.ClientID // which is reserved there
}

func sameBroker(old, c *config.Broker) bool {
	if old == nil || c == nil {
		return old == c
	}
	guarded := len(c.Users) > 0 // listeners may depend on whether there are users
	return old.MQTT == c.MQTT && reflect.DeepEqual(old.TLS, c.TLS) && (len(old.Users) > 0) == guarded
}

// forget clears the retained messages of what is not configured any more, which would
// look alive for ever.
func (g *Gateway) forget(old, c *config.Config) {
	now := stateTopics(g.topics, c)
	for _, topic := range stateTopics(g.topics, old) {
		if !slices.Contains(now, topic) {
			g.session.Forget(topic)
		}
	}
	g.left.Tell()
}

// stateTopics are the retained topics that the configuration makes.
func stateTopics(t message.Topics, c *config.Config) []string {
	var topics []string
	for _, b := range c.Buses {
		topics = append(topics, busTopics(t, b).Status())
	}
	for _, d := range c.Devices {
		device := t.Device(d.Name)
		topics = append(topics, device.Status())
		if d.Group {
			topics = append(topics, device.Group())
		}
		for _, r := range d.Readings {
			topics = append(topics, device.Reading(r.Name))
		}
	}
	return topics
}
