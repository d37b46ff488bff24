package server

import (
	"context"
	"errors"
	"net"

	"modferry/modbus"
)

// Responder is a Handler that sees whole frames and who sent them, and may send what
// it likes instead of a reply: late, in pieces, broken. Otherwise it is as a [Handler].
type Responder interface {
	// Respond returns the reply that is to be sent, or answer false: nothing is, or
	// Send was used. ctx ends with the serving; what takes time must end with it, too.
	// [ErrClose] closes a connection, any other error ends the serving of the line.
	Respond(ctx context.Context, x Exchange) (reply modbus.PDU, answer bool, err error)
}

// ErrClose is what a [Responder] returns to close the connection of a request. A
// serial line has none: it stays as it is.
var ErrClose = errors.New("the connection was closed on purpose")

// Exchange is a request on its way, valid during the call.
type Exchange struct {
	Framing modbus.Framing
	Client  net.Addr // nil on a serial line
	Request modbus.ADU
	Frame   []byte // the whole request, ASCII in upper case

	line interface{ send(b []byte) error }
}

// Send sends bytes as they are, after all replies to earlier requests.
func (x Exchange) Send(b []byte) error { return x.line.send(b) }

// respond returns the responder's reply, or the handler's if there is no responder.
func (s *Server) respond(ctx context.Context, x Exchange) (modbus.PDU, bool, error) {
	if s.o.Responder == nil {
		reply, answer := s.o.Handler.Handle(x.Request.Unit, x.Request.PDU)
		return sendable(x.Request.PDU, reply), answer, nil
	}
	reply, answer, err := s.o.Responder.Respond(ctx, x)
	return sendable(x.Request.PDU, reply), answer, err
}

// sendable returns a reply; one that no frame can carry becomes exception 04.
func sendable(request, reply modbus.PDU) modbus.PDU {
	if len(reply.Data) >= modbus.MaxPDU {
		return modbus.ExceptionPDU(request.FunctionCode, modbus.ServerDeviceFailure)
	}
	return reply
}
