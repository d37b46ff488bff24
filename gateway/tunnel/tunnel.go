// Package tunnel gives tools that speak Modbus the bus of a gateway elsewhere, as if
// its devices were here: a Modbus TCP server, RTU over TCP, and a serial line.
//
// Requests keep their unit, replies their transaction id. What the gateway or a device
// does not answer ends in the exceptions of a Modbus gateway: 0A where there is no way
// to the bus, 0B where the device did not answer in time; what the gateway's rules
// refuse, in theirs. A broadcast is not answered.
package tunnel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/remote"
	"modferry/modbus"
	"modferry/modbus/server"
)

// Asker sends a request to a unit of a bus. Its errors are those of [remote.Bus.Ask].
type Asker interface {
	Ask(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error)
}

// Options of a tunnel.
type Options struct {
	Bus     Asker
	Timeout time.Duration // for each reply
	Logger  *slog.Logger  // nil = silent
}

// connections at a time, of each listener.
const connections = 64

// Tunnel serves any number of lines and listeners.
type Tunnel struct {
	o      Options
	server *server.Server
}

// New returns a tunnel.
func New(o Options) *Tunnel {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Tunnel{o: o}
	t.server = server.New(server.Options{Responder: t, MaxConnections: connections, Logger: o.Logger})
	return t
}

// ServeTCP serves Modbus TCP until ctx ends, and closes the listener.
func (t *Tunnel) ServeTCP(ctx context.Context, l net.Listener) error {
	return t.server.ServeTCP(ctx, l)
}

// ServeRTU serves RTU over TCP likewise.
func (t *Tunnel) ServeRTU(ctx context.Context, l net.Listener) error {
	return t.server.ServeStream(ctx, l, modbus.RTU)
}

// ServeLine serves RTU on a line until ctx ends, and closes it.
func (t *Tunnel) ServeLine(ctx context.Context, line io.ReadWriteCloser) error {
	return t.server.ServeRTU(ctx, line)
}

// Respond has the bus answer.
func (t *Tunnel) Respond(ctx context.Context, x server.Exchange) (reply modbus.PDU, answer bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	q := modbus.PDU{FunctionCode: x.Request.PDU.FunctionCode, Data: append([]byte(nil), x.Request.PDU.Data...)}
	reply, failed := t.o.Bus.Ask(ctx, x.Request.Unit, q)
	if failed == nil {
		return reply, reply.FunctionCode != 0, nil
	}
	code := exception(failed)
	t.o.Logger.Info("a request was not answered by its device", "unit", x.Request.Unit, "function", q.FunctionCode, "exception", code, "error", failed)
	return modbus.ExceptionPDU(q.FunctionCode, code), true, nil
}

// exception is what a client is told of an error.
func exception(err error) byte {
	var refused *remote.Refused
	var nowhere *remote.Unreachable
	switch {
	case errors.As(err, &nowhere):
		return modbus.GatewayPathUnavailable
	case !errors.As(err, &refused):
		return modbus.GatewayTargetNoResponse
	case refused.Exception != 0:
		return refused.Exception
	case refused.Code == message.BadUnit, refused.Code == message.Broadcast:
		return modbus.GatewayPathUnavailable
	}
	return modbus.ServerDeviceFailure
}
