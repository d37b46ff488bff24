// Package gateway carries Modbus between MQTT topics and lines. It is the wiring
// and nothing else: each part below it can be read alone.
//
//	a request:  mqtt -> message -> policy -> bus -> transport -> message -> mqtt
//	a reading:  poll -> bus -> transport -> register -> message -> mqtt
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"modferry/gateway/broker"
	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/poll"
	"modferry/modbus"
)

// Gateway is a configured gateway. New opens its listeners, Run does the work.
type Gateway struct {
	config  *config.Config
	log     *slog.Logger
	topics  message.Topics
	broker  *broker.Broker  // nil = another server
	console *console.Server // nil = none
	journal *journal.Journal
	session *mqtt.Session
	lines   []*line
	ports   *ports
	buses   map[string]*bus.Bus
	pollers []*poll.Poller
	changed chan struct{} // one token: the state of a bus changed
	ready   chan struct{} // closed when the gateway is online for the first time
	online  func()        // closes ready, once
}

// New prepares a gateway. It listens where the configuration says so (embedded
// broker, console), and connects to nothing yet.
func New(c *config.Config, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{
		config: c, log: log, topics: message.Topics{Prefix: c.Prefix},
		ports: newPorts(c.Buses, log),
		buses: map[string]*bus.Bus{}, changed: make(chan struct{}, 1),
		ready: make(chan struct{}),
	}
	g.online = sync.OnceFunc(func() { close(g.ready) })
	for _, step := range []func() error{g.listen, g.connect, g.remember} {
		if err := step(); err != nil {
			g.unlisten()
			return nil, err
		}
	}
	for _, b := range c.Buses {
		g.addBus(b)
	}
	for _, d := range c.Devices {
		g.addDevice(d)
	}
	return g, nil
}

func (g *Gateway) addBus(c config.Bus) {
	p := g.ports.open(c)
	b := bus.New(bus.Options{
		Name: c.Name, Line: p, Timeout: c.Timeout, Queue: c.Queue, InFlight: inFlight(c), Breaker: bus.Breaker(c.Breaker),
		Notify: func() {
			select {
			case g.changed <- struct{}{}:
			default:
			}
		},
	})
	g.buses[c.Name] = b
	l := &line{
		bus: b, topics: busTopics(g.topics, c), audit: g.audit, decode: decodeOptions(c), rules: c.Allow,
		journal: g.journal, limit: newLimiter(g.config.Requests.Rate), publish: g.session.Publish, log: g.log.With("bus", c.Name),
	}
	if l.topics.Request("") == l.topics.Response("") {
		l.own = &own{}
	}
	g.lines = append(g.lines, l)
}

func (g *Gateway) addDevice(c config.Device) {
	b, topics := g.buses[c.Bus], g.topics.Device(c.Name)
	g.pollers = append(g.pollers, poll.New(poll.Options{
		Device: c, Client: func(ctx context.Context) modbus.Client { return b.Client(ctx, c.Unit, 0) }, Log: g.log.With("device", c.Name, "bus", c.Bus, "unit", c.Unit),
		Publish: func(reading string, _ message.Sample, payload []byte) { g.session.Retain(topics.Reading(reading), payload) },
		Group:   func(payload []byte) { g.session.Retain(topics.Group(), payload) },
		Status:  func(payload []byte) { g.session.Retain(topics.Status(), payload) },
	}))
}

// Addresses are where a gateway listens, for people to connect to; nil where it does not.
type Addresses struct{ MQTT, HTTP net.Addr }

// Addresses returns the listeners' addresses, with the ports that were chosen for port 0.
func (g *Gateway) Addresses() (a Addresses) {
	if g.broker != nil {
		a.MQTT = g.broker.Addr()
	}
	if g.console != nil {
		a.HTTP = g.console.Addr()
	}
	return a
}

// Ready is closed when the gateway has subscribed its requests for the first time.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// Run works until ctx ends, then stops in the order in which nothing is lost: polls,
// buses (which finish the frame on the line and answer what waits), the session
// (which publishes the last replies and offline), and the servers.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.close()
	servers, stopServers := context.WithCancelCause(context.WithoutCancel(ctx))
	session, stopSession := context.WithCancel(servers)
	work, stopWork := context.WithCancel(ctx)
	defer stopServers(nil)
	defer stopSession()
	defer stopWork()

	var serving, talking, working sync.WaitGroup
	g.serve(servers, &serving, func(err error) { stopServers(err); stopWork() })
	talking.Go(func() { g.session.Run(session) })
	for _, b := range g.buses {
		working.Go(func() { b.Run(work) })
	}
	for _, p := range g.pollers {
		working.Go(func() { p.Run(work) })
	}
	working.Go(func() { g.reportBuses(work) })

	<-work.Done()
	working.Wait()
	stopSession()
	talking.Wait()
	cause := context.Cause(servers)
	stopServers(nil)
	serving.Wait()
	return cause
}

// serve runs the servers; one that fails ends the gateway.
func (g *Gateway) serve(ctx context.Context, serving *sync.WaitGroup, failed func(error)) {
	run := func(what string, serve func(context.Context) error) {
		serving.Go(func() {
			if err := serve(ctx); err != nil && ctx.Err() == nil {
				failed(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if g.broker != nil {
		run("embedded broker", g.broker.Run)
	}
	if g.console != nil {
		run("console", g.console.Run)
	}
}

func (g *Gateway) close() {
	if err := g.ports.close(); err != nil {
		g.log.Warn("cannot close a line", "error", err)
	}
	if err := g.journal.Close(); err != nil {
		g.log.Warn("some replies are not kept over the restart", "error", err)
	}
}
