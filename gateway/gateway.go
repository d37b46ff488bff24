// Package gateway carries Modbus between MQTT topics and lines. It is the wiring
// and nothing else: each part below it can be read alone.
//
//	a request:  mqtt -> message -> policy -> bus -> transport -> message -> mqtt
//	a reading:  poll -> bus -> transport -> register -> message -> mqtt
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"modferry/gateway/backlog"
	"modferry/gateway/broker"
	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/poll"
	"modferry/gateway/quietlog"
)

// Gateway is a configured gateway. New opens its listeners, Run does the work.
type Gateway struct {
	log     *slog.Logger
	quiet   *quietlog.Log // of what clients cause
	topics  message.Topics
	broker  *broker.Broker  // nil = another server
	own     broker.Own      // how the gateway connects to its embedded broker
	console *console.Server // nil = none
	journal *journal.Journal
	backlog *backlog.Backlog
	taught  *poll.Memory // by the devices
	counted *poll.Totals // by computed readings
	left    *leftovers
	session *mqtt.Session
	plant   *plant
	home    *home
	edge    *edge
	changed chan struct{} // one token: the state of a bus changed
	ready   chan struct{} // closed when the gateway is online for the first time
	online  func()        // closes ready, once

	config    atomic.Pointer[config.Config]
	arranging sync.Mutex      // held while the plant changes
	work      context.Context // of the plant; nil before Run and after its end
}

// New prepares a gateway. It listens where the configuration says so (embedded
// broker, console), and connects to nothing yet.
func New(c *config.Config, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{
		log: log, quiet: quietlog.New(log), topics: message.Topics{Prefix: c.Prefix},
		changed: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	g.config.Store(c)
	g.online = sync.OnceFunc(func() { close(g.ready) })
	g.plant, g.home = newPlant(g), newHome(g)
	for _, step := range []func(*config.Config) error{g.remember, g.listen, g.show, g.connect, g.connectEdge} {
		if err := step(c); err != nil {
			g.unlisten()
			return nil, err
		}
	}
	return g, nil
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

// Connected returns nil while the gateway is connected to its broker and subscribed,
// and why it is not otherwise.
func (g *Gateway) Connected() error {
	status := g.session.Status()
	switch {
	case status.Connected:
		return nil
	case status.Err != nil:
		return fmt.Errorf("no connection to the broker: %w", status.Err)
	}
	return errors.New("no connection to the broker yet")
}

// Live returns nil while everything moves, and what is stuck otherwise: only a new
// process will help then.
func (g *Gateway) Live() error {
	var stuck error
	for _, l := range *g.plant.lines.Load() {
		stuck = errors.Join(stuck, l.bus.Alive())
	}
	return stuck
}

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
	g.start(work)
	talking.Go(func() { g.session.Run(session) })
	talking.Go(func() { g.replay(session) })
	talking.Go(func() { g.taught.Run(session) })
	talking.Go(func() { g.counted.Run(session) })
	talking.Go(func() { g.left.Run(session) })
	talking.Go(func() { g.left.watch(session) })
	talking.Go(func() { g.sweepHome(session) })
	talking.Go(func() { g.edge.run(session) })
	working.Go(func() { g.reportBuses(work) })

	<-work.Done()
	working.Wait()
	g.stop()
	stopSession()
	talking.Wait()
	cause := context.Cause(servers)
	stopServers(nil)
	serving.Wait()
	return cause
}

// start arranges the plant; stop ends it, for good.
func (g *Gateway) start(work context.Context) {
	g.arranging.Lock()
	defer g.arranging.Unlock()
	g.work = work
	g.left.clear(g.config.Load())
	g.plant.arrange(work, g.config.Load())
	g.home.announce(g.config.Load())
}

func (g *Gateway) stop() {
	g.arranging.Lock()
	defer g.arranging.Unlock()
	g.work = nil
	g.plant.end()
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
	if err := g.journal.Close(); err != nil {
		g.log.Warn("some replies are not kept over the restart", "error", err)
	}
	if err := g.backlog.Close(); err != nil {
		g.log.Warn("some readings are not kept over the restart", "error", err)
	}
}
