package server

import (
	"context"
	"errors"
	"io"
	"net"

	"modferry/modbus"
)

// ServeStream serves the connections of ln, which carry RTU or ASCII frames as a
// serial line would ("RTU over TCP"), as [Server.ServeTCP] does those with MBAP
// headers. Each connection is a line of its own.
func (s *Server) ServeStream(ctx context.Context, ln net.Listener, framing modbus.Framing) error {
	return s.serveAll(ctx, ln, func(ctx context.Context, conn net.Conn) {
		l := s.lineServer(conn, framing)
		l.client = conn.RemoteAddr()
		if err := l.run(ctx); err != nil && !errors.Is(err, io.EOF) {
			s.o.Logger.Info("connection closed", "client", l.client, "reason", err)
		}
	})
}
