package server

import (
	"context"
	"errors"
	"fmt"
	"net"

	"modferry/modbus"
)

// ServePackets serves datagrams, each of which carries one frame with an MBAP header
// ("Modbus UDP"), one after the other, until ctx ends or conn fails. It closes conn.
// Datagrams that carry anything else are ignored. The error is nil if ctx ended it.
func (s *Server) ServePackets(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }() // nothing waits to be sent
	var in [modbus.MaxTCP + 1]byte
	for {
		n, client, err := conn.ReadFrom(in[:])
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && n == 0:
			return fmt.Errorf("cannot receive datagrams at %s: %w", conn.LocalAddr(), err)
		}
		if size, err := modbus.TCPLength(in[:n]); err != nil || size != n {
			continue
		}
		if err := s.answer(ctx, packet{conn, client}, in[:n]); err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("reply lost", "client", client, "reason", err)
		}
	}
}

// packet is where the reply to a datagram goes.
type packet struct {
	net.PacketConn
	client net.Addr
}

func (p packet) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := p.WriteTo(b, p.client)
	return err
}

func (s *Server) answer(ctx context.Context, p packet, frame []byte) error {
	request, err := modbus.ParseTCP(frame)
	if err != nil {
		return err
	}
	reply, ok, err := s.respond(ctx, Exchange{Framing: modbus.TCP, Client: p.client, Request: request, Frame: frame, line: p})
	if errors.Is(err, ErrClose) {
		return nil // there is nothing to close
	}
	if err != nil || !ok {
		return err
	}
	return p.send(modbus.AppendTCP(nil, modbus.ADU{Transaction: request.Transaction, Unit: request.Unit, PDU: reply}))
}
