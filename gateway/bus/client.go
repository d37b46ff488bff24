package bus

import (
	"context"
	"time"

	"modferry/modbus"
)

// Client returns a client for one unit whose requests queue as polls. Whatever
// speaks goburrow's vocabulary works on top of a bus this way. timeout 0 is the
// bus's. When ctx ends, a request that still waits is given up and one that was sent
// is waited for. The client's errors are [ErrFull], [ErrClosed], [ErrResting], [ErrGone], a [*transport.Error], or
// a [*modbus.Exception]. Use it only while [Bus.Run] runs, which answers everything.
func (b *Bus) Client(ctx context.Context, unit byte, timeout time.Duration) modbus.Client {
	return modbus.NewClient(modbus.Bare.Packager(unit), &poller{ctx: ctx, bus: b, timeout: timeout, done: make(chan Reply, 1)})
}

// poller is a Transporter of bare ADUs; it carries one request at a time.
type poller struct {
	ctx     context.Context // of the client, whose interface has none per call
	bus     *Bus
	timeout time.Duration
	done    chan Reply
}

func (p *poller) Send(adu []byte) ([]byte, error) {
	a, err := modbus.ParseBare(adu)
	if err != nil {
		return nil, err
	}
	r := &Request{Unit: a.Unit, PDU: a.PDU, Poll: true, Timeout: p.timeout, Done: func(r Reply) { p.done <- r }}
	if err := p.bus.Submit(r); err != nil {
		return nil, err
	}
	gone := context.AfterFunc(p.ctx, func() { p.bus.Cancel(r) })
	reply := <-p.done
	gone()
	if reply.Err != nil {
		return nil, reply.Err
	}
	return modbus.AppendBare(nil, modbus.ADU{Unit: a.Unit, PDU: reply.PDU}), nil
}
