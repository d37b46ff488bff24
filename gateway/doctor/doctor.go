// Package doctor looks for what keeps a configured gateway from working: its broker, the
// lines of its buses, its devices. It reads one reading of each device and writes nothing;
// at the broker it publishes one message to itself.
//
// Where the gateway runs already, it owns the lines, and the devices are asked through it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/remote"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// examineHTTP looks whether the HTTP listener is free for the gateway, or serves it.
func (e *examination) examineHTTP() {
	if e.Config.HTTP == nil {
		return
	}
	address := e.Config.HTTP.Listen
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		_ = listener.Close() // nobody has connected
		e.good("http", "%s is free for the gateway", address)
	case e.running:
		e.good("http", "%s is in use, by the gateway that runs", address)
	default:
		e.bad("http", fmt.Errorf("the gateway cannot listen (%w): another program has the address; end it, or choose another one for http.listen", err))
	}
}

// Finding is what was found of one thing.
type Finding struct {
	What string `json:"what"` // broker, bus NAME, device NAME
	OK   bool   `json:"ok"`
	Said string `json:"said"` // one sentence: what is so, or what is wrong and what to do
}

// Asker sends a request to a unit.
type Asker func(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error)

// Options say what is examined.
type Options struct {
	Config  *config.Config
	Timeout time.Duration // for the broker, and for each line to open; devices have that of their bus
	Found   func(Finding) // told at once
}

// examination is one run.
type examination struct {
	Options
	broker  config.MQTT
	running bool // a gateway of this name is online
}

// Examine looks at everything, one after the other, and reports whether all is well.
func Examine(ctx context.Context, o Options) (well bool) {
	well = true
	tell := o.Found
	o.Found = func(f Finding) { well = well && f.OK; tell(f) }
	e := &examination{Options: o, broker: o.Config.MQTT}
	e.examineBroker(ctx)
	e.examineHTTP()
	for _, b := range o.Config.Buses {
		if ctx.Err() != nil {
			return false
		}
		e.examineBus(ctx, b)
	}
	return well && ctx.Err() == nil
}

func (e *examination) good(what, format string, args ...any) {
	e.Found(Finding{what, true, fmt.Sprintf(format, args...)})
}

func (e *examination) bad(what string, err error) { e.Found(Finding{what, false, err.Error()}) }

// examineBus looks at a line and what is on it.
func (e *examination) examineBus(ctx context.Context, b config.Bus) {
	ask, done, via := e.asker(ctx, b)
	if ask == nil {
		return
	}
	defer done()
	devices := slices.DeleteFunc(slices.Clone(e.Config.Devices), func(d config.Device) bool { return d.Bus != b.Name })
	opened := len(devices) == 0
	for _, d := range devices {
		said, reached, err := e.examineDevice(ctx, ask, b, d)
		if !reached { // said once, and of the bus
			if b.Serial != nil && strings.Contains(err.Error(), "is in use by modferry ") {
				e.good("bus "+b.Name, "%s is held by a modferry that runs; its devices were not asked, as the broker is not reached", place(b))
				return
			}
			e.bad("bus "+b.Name, err)
			return
		}
		if !opened {
			opened = true
			e.good("bus "+b.Name, "%s%s can be used", place(b), via)
		}
		if err != nil {
			e.bad("device "+d.Name, err)
		} else {
			e.good("device "+d.Name, "%s", said)
		}
	}
	if len(devices) == 0 {
		e.good("bus "+b.Name, "%s has no devices to read; try modferry scan", place(b))
	}
}

// asker returns how the devices of a bus are asked; nil if that was found to be impossible.
func (e *examination) asker(ctx context.Context, b config.Bus) (ask Asker, done func(), via string) {
	if !e.running {
		line := gateway.Line(b, slog.New(slog.DiscardHandler))
		return direct(line, b.Timeout), func() { _ = line.Close() }, ""
	}
	o, err := e.remote(b)
	if err != nil {
		e.bad("bus "+b.Name, err)
		return nil, nil, ""
	}
	bus := remote.New(o)
	visit, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() { defer close(left); bus.Run(visit) }()
	return bus.Ask, func() { leave(); <-left }, ", by the gateway that runs,"
}

// place is where a bus is.
func place(b config.Bus) string {
	if b.Serial != nil {
		return "serial port " + b.Serial.Path
	}
	return b.TCP.Network + " server " + b.TCP.Address
}

// examineDevice reads one reading of a device. reached says that its line was.
func (e *examination) examineDevice(ctx context.Context, ask Asker, b config.Bus, d config.Device) (said string, reached bool, err error) {
	i := slices.IndexFunc(d.Readings, func(r profile.Reading) bool { return r.Compute == "" })
	if i < 0 {
		return "it has no readings of its own, and was not asked", true, nil
	}
	r := d.Readings[i]
	span := r.Span()
	ctx, cancel := context.WithTimeout(ctx, e.Timeout+b.Timeout)
	defer cancel()
	start := time.Now()
	reply, err := ask(ctx, d.Unit, modbus.ReadRequest(span.Table.ReadFunction(), span.Address, uint16(span.Quantity)))
	if err != nil {
		return "", !isNoPath(err), err
	}
	if x := modbus.AsException(reply); x != nil {
		return "", true, fmt.Errorf("unit %d answers reading %s (%v at %d) with exception %d, %s: %s", d.Unit, r.Name, span.Table, span.Address, x.ExceptionCode, modbus.ExceptionName(x.ExceptionCode), modbus.ExceptionHint(x.ExceptionCode))
	}
	return fmt.Sprintf("unit %d answered reading %s (%v at %d) in %v", d.Unit, r.Name, span.Table, span.Address, time.Since(start).Round(time.Millisecond)), true, nil
}

// isNoPath: the request found no way to the line.
func isNoPath(err error) bool {
	var nowhere *remote.Unreachable
	var refused *remote.Refused
	switch {
	case errors.As(err, &nowhere):
		return true
	case errors.As(err, &refused):
		return refused.Code == message.Unavailable
	}
	return isUnavailable(err)
}
