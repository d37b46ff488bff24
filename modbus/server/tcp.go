package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"modferry/modbus"
	"modferry/modbus/quickconn"
)

const (
	frameTimeout = 10 * time.Second // for the rest of a frame that has begun
	writeTimeout = 30 * time.Second // for a client to take its replies
	maxBatch     = 16 * modbus.MaxTCP
)

// ServeTCP serves the connections of ln until ctx ends or ln fails; then it closes
// ln and all connections, and returns when the last one is done. The error is nil
// if ctx ended it.
//
// Each connection may send requests without waiting for replies; they are handled
// and answered in their order. A header that is not Modbus' closes the connection.
func (s *Server) ServeTCP(ctx context.Context, ln net.Listener) error {
	return s.serveAll(ctx, ln, s.serveConn)
}

// serveAll serves the connections of ln, each in a goroutine of its own; serve
// closes its connection.
func (s *Server) serveAll(ctx context.Context, ln net.Listener, serve func(ctx context.Context, conn net.Conn)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel() // before the wait: the connections end with ctx
	free := make(chan struct{}, s.o.MaxConnections)
	for {
		conn, err := accept(ctx, ln)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("cannot accept connections on %s: %w", ln.Addr(), err)
		}
		select {
		case free <- struct{}{}:
		default:
			s.o.Logger.Warn("connection refused: too many are open", "client", conn.RemoteAddr(), "limit", s.o.MaxConnections)
			conn.Close()
			continue
		}
		open.Go(func() {
			serve(ctx, conn)
			<-free
		})
	}
}

// accept waits for a connection, and out a shortage of file descriptors.
func accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := ln.Accept()
		var passing interface{ Temporary() bool }
		if err == nil || !errors.As(err, &passing) || !passing.Temporary() {
			return conn, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := tcpConn{server: s, ctx: ctx, conn: quick(conn), in: make([]byte, 0, maxBatch), out: make([]byte, 0, modbus.MaxTCP)}
	err := c.serve()
	if ctx.Err() == nil && !errors.Is(err, io.EOF) {
		s.o.Logger.Info("connection closed", "client", conn.RemoteAddr(), "reason", err)
	}
}

// tcpConn is one connection and its two buffers: what was received and not yet
// handled, and the replies of the frames handled at once.
type tcpConn struct {
	server *Server
	ctx    context.Context // of the serving, for a Responder
	conn   net.Conn
	in     []byte
	out    []byte

	limited   bool      // a read deadline is set
	writeable time.Time // the write deadline is good until then
}

func (c *tcpConn) serve() error {
	for {
		if err := c.limitRead(); err != nil {
			return err
		}
		n, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
		if n == 0 && err != nil {
			return err
		}
		c.in = c.in[:len(c.in)+n]
		if err := c.handleAll(); err != nil {
			return err
		}
	}
}

// limitRead sets a deadline for the rest of a frame, or for the next request if the
// connection must not idle. The usual read of a whole request costs no system call.
func (c *tcpConn) limitRead() error {
	wait := c.server.o.Idle
	if len(c.in) > 0 {
		wait = frameTimeout
	}
	if wait == 0 && !c.limited {
		return nil
	}
	c.limited = wait > 0
	if !c.limited {
		return c.conn.SetReadDeadline(time.Time{})
	}
	return c.conn.SetReadDeadline(time.Now().Add(wait))
}

// handleAll handles every whole frame that was received and keeps the rest.
func (c *tcpConn) handleAll() error {
	rest := c.in
	for {
		n, err := modbus.TCPLength(rest)
		if err != nil {
			return errors.Join(err, c.flush())
		}
		if n == modbus.More || n > len(rest) {
			break
		}
		if err := c.handle(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	c.in = c.in[:copy(c.in[:cap(c.in)], rest)]
	return c.flush()
}

func (c *tcpConn) handle(frame []byte) error {
	request, err := modbus.ParseTCP(frame)
	if err != nil {
		return err
	}
	reply, ok, err := c.server.respond(c.ctx, Exchange{Framing: modbus.TCP, Client: c.conn.RemoteAddr(), Request: request, Frame: frame, line: c})
	if err != nil {
		return errors.Join(err, c.flush())
	}
	if !ok {
		return nil
	}
	c.out = modbus.AppendTCP(c.out, modbus.ADU{Transaction: request.Transaction, Unit: request.Unit, PDU: reply})
	if len(c.out) < maxBatch {
		return nil
	}
	return c.flush()
}

// send sends bytes after what waits to be sent.
func (c *tcpConn) send(b []byte) error {
	c.out = append(c.out, b...)
	return c.flush()
}

func (c *tcpConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if now := time.Now(); now.After(c.writeable) {
		if err := c.conn.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
			return err
		}
		c.writeable = now.Add(writeTimeout / 2)
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// quick returns conn in a form that costs less, if there is one.
func quick(conn net.Conn) net.Conn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		return quickconn.New(tcp)
	}
	return conn
}
