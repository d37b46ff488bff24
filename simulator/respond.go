package simulator

import (
	"context"
	"time"

	"modferry/modbus"
	"modferry/modbus/server"
	"modferry/simulator/call"
	"modferry/simulator/event"
	"modferry/simulator/fault"
	"modferry/simulator/match"
)

// responder answers what comes in by one face, with the simulator's faults, and has
// it in the log of calls.
type responder struct {
	*Simulator
	face   string // its kind
	handle server.HandlerFunc
	turn   time.Duration // the line's, between a request and its reply
}

// addressed returns the devices that a request to a unit reaches.
func (r responder) addressed(framing modbus.Framing, unit byte) []*Device {
	d := r.Device(unit)
	switch {
	case framing == modbus.TCP:
		d = r.overTCP(unit)
	case unit == modbus.Broadcast:
		return r.devices
	}
	if d == nil {
		return nil
	}
	return []*Device{d}
}

// Respond is a [server.Responder].
func (r responder) Respond(ctx context.Context, x server.Exchange) (modbus.PDU, bool, error) {
	unit, request := x.Request.Unit, x.Request.PDU
	if !r.faults.Any() && r.calls == nil {
		reply, answer := r.handle(unit, request)
		return reply, answer, nil
	}
	at := r.now()
	p := r.struck(x, at)
	var reply modbus.PDU
	answer := false
	if p.Reaches() {
		reply, answer = r.handle(unit, request)
		r.wrote(x.Framing, x.Request, reply, answer)
	}
	answer = answer && (unit != modbus.Broadcast || x.Framing == modbus.TCP) // [Serial 2.1]
	if p.Changes() {
		return modbus.PDU{}, false, r.misbehave(ctx, x, p, at, reply, answer)
	}
	if r.calls != nil {
		var room [modbus.MaxASCII]byte
		frame := room[:0]
		if answer {
			frame = x.Framing.Append(frame, modbus.ADU{Transaction: x.Request.Transaction, Unit: unit, PDU: reply})
		}
		r.record(x, at, frame, nil)
	}
	return reply, answer, nil
}

// wrote tells what a request has written.
func (r responder) wrote(framing modbus.Framing, request modbus.ADU, reply modbus.PDU, answer bool) {
	if !r.listeners.Any() || !modbus.IsWrite(request.PDU.FunctionCode) || answer && modbus.AsException(reply) != nil {
		return
	}
	for _, span := range match.Touches(request.PDU) {
		if !span.Write {
			continue
		}
		for _, d := range r.addressed(framing, request.Unit) {
			r.tellValues(d, span, "client")
		}
	}
}

// struck returns what goes wrong with a request.
func (r responder) struck(x server.Exchange, at time.Time) fault.Plan {
	if !r.faults.Any() {
		return fault.Plan{}
	}
	unit := x.Request.Unit
	face := match.Kind{Name: r.face, Framing: x.Framing, Closes: x.Client != nil && r.face != FaceUDP}
	return r.faults.Striking(fault.Asked{
		Kind: face, Unit: unit, Request: x.Request.PDU, There: len(r.addressed(x.Framing, unit)) > 0, Now: at,
	})
}

// misbehave sends what faults have made of a reply.
func (r responder) misbehave(ctx context.Context, x server.Exchange, p fault.Plan, at time.Time, reply modbus.PDU, answer bool) error {
	if err := x.Send(nil); err != nil { // earlier replies do not wait for this one
		return err
	}
	var sent []byte
	if p.Echo {
		sent = append(sent, x.Frame...)
		if err := x.Send(x.Frame); err != nil {
			return err
		}
	}
	out := p.Bytes(x.Framing, x.Request, reply, answer)
	if !pause(ctx, r.turn+p.Delay) {
		return ctx.Err()
	}
	r.record(x, at, append(sent, out...), p.Names)
	for i, piece := range p.Pieces(out) {
		if i > 0 && !pause(ctx, p.Drip.Every) {
			return ctx.Err()
		}
		if err := x.Send(piece); err != nil {
			return err
		}
	}
	if p.Close {
		return server.ErrClose
	}
	return nil
}

// pause waits for d and returns false if ctx ended it.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// record puts a call into the log, and tells who listens.
func (r responder) record(x server.Exchange, at time.Time, sent []byte, faults []string) {
	if r.calls == nil {
		return
	}
	heard := r.listeners.Any()
	c := call.Call{Time: at, Face: r.face, Framing: x.Framing, Unit: x.Request.Unit, Faults: faults}
	c.PDU.FunctionCode = x.Request.PDU.FunctionCode
	c = r.calls.Add(c, x, sent, heard)
	if !heard {
		return
	}
	r.Tell(event.Event{Kind: "call", Data: c})
	for _, name := range faults {
		r.Tell(event.Event{Kind: "fault", Data: event.Fault{Name: name, What: "applied", Call: c.Number}})
	}
}
