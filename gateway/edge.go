package gateway

import (
	"context"
	"path/filepath"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/sparkplug"
)

// edge publishes the readings as those of a Sparkplug edge node, over a connection of
// its own: its will is the node's death, and its messages have numbers without gaps.
// nil is none.
type edge struct {
	node    *sparkplug.Node
	session *mqtt.Session
}

// edgeEvents is how many times the session may be told that there is something to publish.
const edgeEvents = 16

// connectEdge prepares the node and its session.
func (g *Gateway) connectEdge(c *config.Config) error {
	if c.Sparkplug == nil {
		return nil
	}
	e := &edge{}
	o := sparkplug.Options{
		Group: c.Sparkplug.Group, Node: c.Sparkplug.Node, Set: g.setByHost, Log: g.log,
		Wake: func() { e.session.Publish(mqtt.Event{Flow: "sparkplug", Compose: e.node.Next}) },
	}
	if c.DataDir != "" {
		o.BDSeqFile = filepath.Join(c.DataDir, "sparkplug")
	}
	e.node = sparkplug.New(o)
	options, err := g.edgeOptions(c, e.node)
	if err != nil {
		return err
	}
	e.session = mqtt.New(options)
	g.edge = e
	return nil
}

// edgeOptions are those of a session at the same broker that does not outlive its
// connections [Sparkplug 3.0, 5.2].
func (g *Gateway) edgeOptions(c *config.Config, node *sparkplug.Node) (mqtt.Options, error) {
	o, err := g.sessionOptions(c)
	own, devices := node.Topics()
	return mqtt.Options{
		URL: o.URL, Version: o.Version, ClientID: c.Sparkplug.ClientID, Username: o.Username, Password: o.Password, TLS: o.TLS, KeepAlive: o.KeepAlive,
		Will:   &mqtt.Will{Topic: node.DeathTopic(), Payload: node.Death},
		Topics: []string{own}, Optional: []string{devices}, AtLeastOnce: true, AsPublished: g.asPublished,
		Connecting: node.Connecting, Online: node.Online, Events: edgeEvents, Logger: g.log.With("client", c.Sparkplug.ClientID),
		Handle: func(m mqtt.Message) {
			node.Handle(m.Topic, m.Payload, m.Retained)
			m.Ack()
		},
	}, err
}

func (e *edge) run(ctx context.Context) {
	if e != nil {
		defer e.node.Close()
		e.session.Run(ctx)
	}
}

func (e *edge) setDevices(all []config.Device) {
	if e != nil {
		e.node.SetDevices(all)
	}
}

// sampler returns what takes the samples of a device, nil if nobody wants them.
func (e *edge) sampler(device string) func(reading string, s message.Sample) {
	if e == nil {
		return nil
	}
	return func(reading string, s message.Sample) { e.node.Sample(device, reading, s) }
}

func (e *edge) status(device string, payload []byte) {
	if e != nil {
		e.node.Status(device, string(payload) == message.Online)
	}
}

// reconfigureEdge goes over to another broker, or connects to it in another way.
func (g *Gateway) reconfigureEdge(c *config.Config) error {
	if g.edge == nil {
		return nil
	}
	o, err := g.edgeOptions(c, g.edge.node)
	if err == nil {
		g.edge.session.Reconfigure(o)
	}
	return err
}

// setByHost has what a host writes done as if it came on the set topic of the reading:
// within its limits, at most once, and told in the audit.
func (g *Gateway) setByHost(device, reading string, c sparkplug.Command) {
	m := mqtt.Message{Topic: g.topics.Device(device).Set(reading), Retained: c.Retained, Ack: func() {}}
	if c.Refused != "" {
		to, _ := g.resultTo(device, reading, m)
		g.refuseSet((*g.plant.setters.Load())[device], device+"/"+reading, m, to, (&message.Set{}).Refused(message.Invalid, "%s", c.Refused))
		return
	}
	m.Payload = append(append([]byte(`{"value":`), c.Value...), '}')
	g.set(device, reading, m)
}
