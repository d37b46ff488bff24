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
}

// New returns a poller that reads nothing before [Poller.Run].
func New(o Options) *Poller {
	p := &Poller{o: o, plan: Plan(o.Device)}
	for _, r := range o.Device.Readings {
		p.readings = append(p.readings, &reading{
			Reading: r, heartbeat: cmp.Or(r.Heartbeat, o.Device.Heartbeat), payload: o.Device.Payload, unit: o.Device.Unit,
		})
	}
	return p
}

// Run polls until ctx ends. Each read has a fixed rate from the start on; where a
// read takes longer than its interval, ticks are left out, never made up for.
func (p *Poller) Run(ctx context.Context) {
	if len(p.plan) == 0 {
		return
	}
	p.client = p.o.Client(ctx)
	due := make([]time.Time, len(p.plan))
	for i := range due {
		due[i] = time.Now()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		p.round(ctx, due)
		timer.Reset(time.Until(earliest(due)))
	}
}

// round makes the reads that are due and publishes what came of them.
func (p *Poller) round(ctx context.Context, due []time.Time) {
	answered, silent, published := false, false, false
	for i := range p.plan {
		now := time.Now()
		if due[i].After(now) || ctx.Err() != nil {
			continue
		}
		err := p.read(&p.plan[i])
		if isEnd(err) {
			return
		}
		answered = answered || isAnswer(err)
		silent = silent || !isAnswer(err)
		published = true
		due[i] = next(due[i], p.plan[i].Every, time.Now())
	}
	switch {
	case answered:
		p.announce("online")
	case silent:
		p.announce("offline")
	}
	if published && p.o.Device.Group {
		p.o.Group(p.group())
	}
}

// next returns the tick after due that is still to come.
func next(due time.Time, every time.Duration, now time.Time) time.Time {
	missed := max(0, now.Sub(due)/every)
	return due.Add((missed + 1) * every)
}

func earliest(due []time.Time) time.Time {
	first := due[0]
	for _, t := range due[1:] {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// read makes one read, a second time if the device did not answer the first, and
// gives each of its readings what it got.
func (p *Poller) read(r *Read) error {
	data, err := r.fetch(p.client)
	if isTimeout(err) {
		data, err = r.fetch(p.client)
	}
	if isEnd(err) {
		return err
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
	return err
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

// isEnd reports whether the gateway is stopping, which says nothing about the device.
func isEnd(err error) bool { return errors.Is(err, bus.ErrClosed) || errors.Is(err, bus.ErrGone) }

func isTimeout(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Kind == transport.Timeout
}
