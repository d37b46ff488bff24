package scan

import (
	"context"
	"errors"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/remote"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// Way is an open way to the units of a line.
type Way interface {
	// Ask returns what a unit answers within the time, an exception too.
	Ask(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (modbus.PDU, error)

	// Probe is Ask where no answer is expected. It also returns what came beside it.
	Probe(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (reply modbus.PDU, other []byte, err error)

	Close()
}

// Line is a way over a line of our own.
type Line struct{ transport.Transporter }

// connectPatience is for a connection.
const connectPatience = 5 * time.Second

// Connect opens the line if it is not open.
func (l Line) Connect(ctx context.Context) error {
	c, ok := l.Transporter.(interface{ Connect(context.Context) error })
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	return c.Connect(ctx)
}

// Ask makes one transaction.
func (l Line) Ask(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (modbus.PDU, error) {
	reply, _, err := l.ask(ctx, unit, request, within, func(ctx context.Context, adu []byte) (reply, other []byte, err error) {
		reply, err = l.SendContext(ctx, adu)
		return reply, nil, err
	})
	return reply, err
}

// Probe makes one without a pause after silence, where bytes tell who answers.
func (l Line) Probe(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (reply modbus.PDU, other []byte, err error) {
	stream, ok := l.Transporter.(*transport.Stream)
	if !ok {
		reply, err = l.Ask(ctx, unit, request, within)
		return reply, nil, err
	}
	return l.ask(ctx, unit, request, within, stream.Probe)
}

// overhears reports whether probes over a way bring what came beside the reply.
func overhears(w Way) bool {
	line, ok := w.(Line)
	if ok {
		_, ok = line.Transporter.(*transport.Stream)
	}
	return ok
}

// Close closes the line.
func (l Line) Close() { _ = l.Transporter.Close() } // nothing is under way

type send func(ctx context.Context, adu []byte) (reply, other []byte, err error)

func (l Line) ask(ctx context.Context, unit byte, request modbus.PDU, within time.Duration, send send) (modbus.PDU, []byte, error) {
	packager := l.Framing().Packager(unit)
	adu, err := packager.Encode(&request)
	if err != nil {
		return modbus.PDU{}, nil, err
	}
	if err := l.Connect(ctx); err != nil { // whose time is not the unit's: a connection may be slower, and is given up after silences
		return modbus.PDU{}, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	reply, other, err := send(ctx, adu)
	if err != nil {
		return modbus.PDU{}, other, err
	}
	pdu, err := packager.Decode(reply)
	if err != nil {
		return modbus.PDU{}, other, err
	}
	return *pdu, other, nil
}

// Gateway is a way through a gateway, whose bus decides how long a unit may take.
type Gateway struct {
	Bus      *remote.Bus
	Patience time.Duration // for the gateway's reply, beyond what the device may take
	First    time.Duration // likewise, until the gateway answered once: perhaps it is not there
	Leave    func()

	heard bool
}

// Ask asks for one transaction.
func (g *Gateway) Ask(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (modbus.PDU, error) {
	patience := g.Patience
	if !g.heard {
		patience = g.First
	}
	limited, cancel := context.WithTimeout(ctx, within+patience)
	defer cancel()
	reply, err := g.Bus.Ask(limited, unit, request)
	switch {
	case err == nil || isSilence(err):
		g.heard = true
	case !g.heard && passes(err) && ctx.Err() == nil:
		return reply, &absent{err}
	}
	return reply, err
}

// absent is why a gateway that never answered does not: another try is of no use.
type absent struct{ error }

// Probe is Ask: the bus decides what it costs.
func (g *Gateway) Probe(ctx context.Context, unit byte, request modbus.PDU, within time.Duration) (modbus.PDU, []byte, error) {
	reply, err := g.Ask(ctx, unit, request, within)
	return reply, nil, err
}

// Close leaves the gateway.
func (g *Gateway) Close() { g.Leave() }

// isSilence reports whether an error says that a unit did not answer, and no more.
func isSilence(err error) bool {
	var failed *transport.Error
	var refused *remote.Refused
	switch {
	case errors.As(err, &failed):
		return failed.Kind == transport.Timeout || failed.Kind == transport.Unavailable && failed.Sent
	case errors.As(err, &refused):
		return refused.Code == message.Timeout
	}
	return false
}

// passes reports whether another try may succeed: something else had its turn.
func passes(err error) bool {
	var failed *transport.Error
	var refused *remote.Refused
	var silent *remote.Silent
	var unreachable *remote.Unreachable
	switch {
	case errors.As(err, &failed):
		return failed.Kind == transport.Unavailable && !failed.Sent
	case errors.As(err, &refused):
		return refused.Code == message.Busy || refused.Code == message.Expired
	}
	return errors.As(err, &silent) || errors.As(err, &unreachable)
}

// nobody reports whether a reply comes from what is on the way to a unit that is not there.
func nobody(reply modbus.PDU) bool {
	e := modbus.AsException(reply)
	return e != nil && (e.ExceptionCode == modbus.GatewayPathUnavailable || e.ExceptionCode == modbus.GatewayTargetNoResponse)
}
