package gateway

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/poll"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// plant is what works between the session and the devices: the buses, and the
// polling of the devices. Each part is built of its section of the configuration, so
// that another configuration changes the parts whose section differs, and no others.
type plant struct {
	gateway  *Gateway
	ports    *ports
	buses    map[string]*busPart
	devices  map[string]*devicePart
	observed map[string]*observed    // by the name of the bus
	lines    atomic.Pointer[[]*line] // of the buses, in the configuration's order
	setters  atomic.Pointer[setters]
	board    poll.Board // where computed readings find those of other devices
}

// busPart is a bus at work.
type busPart struct {
	work
	built []config.Bus // what it is built of: the buses of its connection, without what only concerns their lines
	bus   *bus.Bus
	port  port
	line  *line
}

// devicePart is a device that is polled.
type devicePart struct {
	work
	built  config.Device
	poller *poll.Poller
	lacks  *lacking
}

func newPlant(g *Gateway) *plant {
	p := &plant{gateway: g, ports: newPorts(g.log), buses: map[string]*busPart{}, devices: map[string]*devicePart{}, observed: map[string]*observed{}}
	p.lines.Store(&[]*line{})
	p.setters.Store(&setters{})
	return p
}

// arrange makes the plant that c describes of the present one. What works already
// and is described as before goes on without noticing. ctx ends all parts.
func (p *plant) arrange(ctx context.Context, c *config.Config) {
	p.clear(c)
	lines := make([]*line, 0, len(c.Buses))
	for _, b := range c.Buses {
		part := p.buses[b.Name]
		if part == nil {
			part = p.addBus(ctx, b, c.Buses)
		}
		part.line = p.gateway.newLine(part.bus, b, c, part.line)
		part.line.observed = p.observe(b.Name)
		lines = append(lines, part.line)
	}
	p.lines.Store(&lines)
	p.gateway.edge.setDevices(c.Devices)
	for _, d := range c.Devices {
		if p.devices[d.Name] == nil {
			p.addDevice(ctx, d, c)
		}
	}
	p.arrangeSetters()
}

// arrangeSetters puts the devices in front of their lines.
func (p *plant) arrangeSetters() {
	all := setters{}
	for name, d := range p.devices {
		all[name] = &setter{line: p.buses[d.built.Bus].line, device: d.built, lacks: d.lacks, soon: d.poller.Soon}
	}
	p.setters.Store(&all)
}

// clear ends the parts that c does not describe as they are.
func (p *plant) clear(c *config.Config) {
	var ending []work
	var closing []port
	gone := map[string]bool{} // buses
	for name, b := range p.buses {
		i := slices.IndexFunc(c.Buses, func(other config.Bus) bool { return other.Name == name })
		if i >= 0 && reflect.DeepEqual(b.built, connection(c.Buses, c.Buses[i])) {
			continue
		}
		gone[name] = true
		ending, closing = append(ending, b.work), append(closing, b.port)
		delete(p.buses, name)
	}
	for name, d := range p.devices {
		i := slices.IndexFunc(c.Devices, func(other config.Device) bool { return other.Name == name })
		if i >= 0 && reflect.DeepEqual(d.built, c.Devices[i]) && !gone[d.built.Bus] {
			continue
		}
		ending = append(ending, d.work)
		delete(p.devices, name)
	}
	endAll(ending)
	for _, line := range closing {
		if err := line.Close(); err != nil {
			p.gateway.log.Warn("cannot close a line", "error", err)
		}
	}
	p.forget(c)
}

// connection returns what the connection of a bus is built of.
func connection(all []config.Bus, b config.Bus) []config.Bus {
	users := sharing(all, b)
	for i := range users { // these concern the line in front of it
		u := &users[i]
		u.Request, u.Response, u.Form, u.Framing, u.Broadcast, u.Allow = "", "", "", 0, false, nil
	}
	return users
}

func (p *plant) addBus(ctx context.Context, c config.Bus, all []config.Bus) *busPart {
	part := &busPart{built: connection(all, c), port: p.ports.open(c, all)}
	part.bus = bus.New(bus.Options{
		Name: c.Name, Line: part.port, Timeout: c.Timeout, Queue: c.Queue, InFlight: inFlight(c), Breaker: bus.Breaker(c.Breaker),
		Notify: p.gateway.busChanged, Observe: p.observe(c.Name).add,
	})
	part.work = begin(ctx, part.bus.Run)
	p.buses[c.Name] = part
	return part
}

func (p *plant) addDevice(ctx context.Context, c config.Device, all *config.Config) {
	g, b, topics := p.gateway, p.buses[c.Bus].bus, p.gateway.topics.Device(c.Name)
	var poller *poll.Poller
	lost := func(topic string, payload []byte, at time.Time) { // one for all readings, of which there may be thousands
		reading := strings.TrimPrefix(topic, topics.Reading(""))
		g.missed(c.Name, reading, poller.SampleJSON(reading, payload, at))
	}
	poller = poll.New(poll.Options{
		Device: c, Log: g.log.With("device", c.Name, "bus", c.Bus, "unit", c.Unit), Board: &p.board, Foreign: foreign(all, c),
		Bus: busOf(c, all.Buses), Position: position(c, all.Devices), Memory: g.taught, Totals: g.counted,
		Client:   func(ctx context.Context) modbus.Client { return b.Client(ctx, c.Unit, 0) },
		Together: func(ctx context.Context) poll.Together { return b.Together(ctx, c.Unit) },
		Publish: func(reading string) func([]byte, time.Time) {
			return g.session.Retained(topics.Reading(reading), lost).Set
		},
		Flush:   g.session.Flush,
		Changed: g.edge.sampler(c.Name),
		Group:   func(payload []byte) { g.retain(topics.Group(), payload) },
		Status:  func(payload []byte) { g.retain(topics.Status(), payload); g.edge.status(c.Name, payload) },
	})
	p.devices[c.Name] = &devicePart{work: begin(ctx, poller.Run), built: c, poller: poller, lacks: &lacking{has: c.Functions}}
}

// foreign returns the readings of the other devices, as one that is computed names them.
func foreign(all *config.Config, c config.Device) []string {
	if !slices.ContainsFunc(c.Readings, func(r profile.Reading) bool { return r.Compute != "" }) {
		return nil
	}
	var names []string
	for _, d := range all.Devices {
		for _, r := range d.Readings {
			if d.Name != c.Name {
				names = append(names, d.Name+"."+r.Name)
			}
		}
	}
	return names
}

func busOf(d config.Device, all []config.Bus) config.Bus {
	return all[slices.IndexFunc(all, func(b config.Bus) bool { return b.Name == d.Bus })]
}

// position returns how many devices of its bus are before a device.
func position(d config.Device, all []config.Device) (n int) {
	for _, other := range all {
		switch {
		case other.Name == d.Name:
			return n
		case other.Bus == d.Bus:
			n++
		}
	}
	return n
}

// end ends everything at the same time: polls wait for what was sent, buses finish
// the frame on the line and answer what waits.
func (p *plant) end() { p.clear(&config.Config{}) }

// work is a goroutine and its end.
type work struct {
	stop context.CancelFunc
	done chan struct{}
}

func begin(ctx context.Context, run func(context.Context)) work {
	ctx, stop := context.WithCancel(ctx)
	w := work{stop, make(chan struct{})}
	go func() {
		defer close(w.done)
		run(ctx)
	}()
	return w
}

func endAll(all []work) {
	for _, w := range all {
		w.stop()
	}
	for _, w := range all {
		<-w.done
	}
}
