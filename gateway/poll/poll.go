// Package poll reads the devices of the configuration at their rates and publishes
// what it read. A value is only ever one that the device gave: an exception, a
// timeout or a no-data sentinel leaves the last value in place, with its own time
// and the quality stale.
package poll

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// Options describe the polling of one device.
type Options struct {
	Device  config.Device
	Client  func(context.Context) modbus.Client                    // for the device's unit, until the context ends; one request at a time
	Publish func(reading string, s message.Sample, payload []byte) // a sample and the form it is published in
	Group   func(payload []byte)                                   // all readings in one object, if the device wants it
	Status  func(payload []byte)                                   // online or offline
	Log     *slog.Logger
}

// Poller polls one device.
type Poller struct {
	o        Options
	client   modbus.Client
	plan     []Read
	readings []*reading
	online   string // what was published last
	trouble  string // the kind that was logged last
	round    round  // what the present round brought so far
	wanted   *wanted
}

// round is what the reads of one round brought.
type round struct{ reads, answers int }

// New returns a poller that reads nothing before [Poller.Run].
func New(o Options) *Poller {
	p := &Poller{o: o, plan: Plan(o.Device), wanted: newWanted()}
	for _, r := range o.Device.Readings {
		p.readings = append(p.readings, &reading{
			Reading: r, heartbeat: cmp.Or(r.Heartbeat, o.Device.Heartbeat), payload: o.Device.Payload, unit: o.Device.Unit,
		})
	}
	return p
}

// took gives each reading of a read what came back for it: the data of the reply, or
// why there is none. It is called once for every read, and then [Poller.finish].
func (p *Poller) took(r *Read, data []byte, err error) {
	p.round.reads++
	if isAnswer(err) {
		p.round.answers++
	}
	now := time.Now()
	p.logTrouble(err)
	for _, i := range r.Readings {
		state := p.readings[i]
		var payload []byte
		if err != nil {
			payload = state.failed(now)
		} else {
			payload = state.sampled(r.cut(data, state.Span()), now)
		}
		if payload != nil {
			p.o.Publish(state.Name, state.shown, payload)
		}
	}
}

// finish ends a round of reads: what is known of the device now is told.
func (p *Poller) finish() {
	r := p.round
	p.round = round{}
	switch {
	case r.answers > 0:
		p.announce("online")
	case r.reads > 0:
		p.announce("offline")
	}
	if r.reads > 0 && p.o.Device.Group {
		p.o.Group(p.group())
	}
}

func (p *Poller) logTrouble(err error) {
	kind := troubleOf(err)
	if kind == p.trouble {
		return
	}
	if p.trouble = kind; err != nil {
		p.o.Log.Warn("cannot read the device", "error", err)
	} else {
		p.o.Log.Info("the device answers")
	}
}

// troubleOf tells kinds of trouble apart whose texts go on changing.
func troubleOf(err error) string {
	var failed *transport.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, bus.ErrResting):
		return transport.Timeout.String() // it rests because of that
	case errors.As(err, &failed):
		return failed.Kind.String()
	}
	return err.Error()
}

func (p *Poller) announce(status string) {
	if p.online != status {
		p.online = status
		p.o.Status([]byte(status))
	}
}

func (p *Poller) group() []byte {
	var group message.Group
	for _, r := range p.readings {
		group.Add(r.Name, r.current())
	}
	return group.JSON()
}

// isAnswer reports whether the device said something: a reply, or an exception of its own.
func isAnswer(err error) bool {
	var exception *modbus.Exception
	return err == nil || errors.As(err, &exception)
}
