package poll

import (
	"context"
	"errors"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus/transport"
)

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
		p.poll(ctx, due)
		timer.Reset(time.Until(earliest(due)))
	}
}

// poll makes the reads that are due.
func (p *Poller) poll(ctx context.Context, due []time.Time) {
	for i := range p.plan {
		now := time.Now()
		if due[i].After(now) || ctx.Err() != nil {
			continue
		}
		data, err := p.read(&p.plan[i])
		if isEnd(err) {
			return
		}
		p.took(&p.plan[i], data, err)
		due[i] = next(due[i], p.plan[i].Every, time.Now())
	}
	p.finish()
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

// read makes one read, a second time if the device did not answer the first.
func (p *Poller) read(r *Read) ([]byte, error) {
	data, err := r.fetch(p.client)
	if isTimeout(err) {
		data, err = r.fetch(p.client)
	}
	return data, err
}

// isEnd reports whether the gateway is stopping, which says nothing about the device.
func isEnd(err error) bool { return errors.Is(err, bus.ErrClosed) || errors.Is(err, bus.ErrGone) }

func isTimeout(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Kind == transport.Timeout
}
