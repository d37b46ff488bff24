package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"modferry/modbus/quickconn"
)

// Port is an open line that carries bytes. Close may be called while Read or Write
// runs, and ends both.
type Port interface {
	// Read blocks until there is at least one byte, and returns an error once the
	// port is closed or gone; never 0 bytes and no error. Write writes all of p or
	// returns an error and how many bytes may have left.
	io.ReadWriteCloser

	// SetWriteDeadline is when Write gives up.
	SetWriteDeadline(t time.Time) error

	// Flush discards what was received and not read.
	Flush() error

	// Timing is how fast the line is.
	Timing() Timing
}

// exactSleeper is a port on which gaps matter that are finer than the runtime's
// timers, which are good to about a millisecond.
type exactSleeper interface{ sleepExactly(d time.Duration) }

// acknowledger is a port that knows whether the other side has what was written.
type acknowledger interface{ unacknowledged() bool }

// longestExactSleep bounds how long a call does not notice that it is cancelled.
const longestExactSleep = 5 * time.Millisecond

// DialTCP opens connections to a TCP port that passes bytes on to a serial line
// ("RTU over TCP", "transparent mode"). The address is host:port; with secure the
// connection is TLS.
func DialTCP(address string, secure Secure) func(ctx context.Context) (Port, error) {
	return func(ctx context.Context) (Port, error) {
		conn, err := dial(ctx, "tcp", address, secure)
		if err != nil {
			return nil, err
		}
		return connPort{conn}, nil
	}
}

type connPort struct{ net.Conn }

// Read says of an error what to do about it, where that is known.
func (p connPort) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if err != nil {
		err = reason(err)
	}
	return n, err
}

// Flush has nothing to do: what a connection received is read at once by its link.
func (connPort) Flush() error   { return nil }
func (connPort) Timing() Timing { return Timing{} }

func (p connPort) unacknowledged() bool { return unacknowledged(p.Conn) }

// dial connects with Nagle off, which is Go's default, and keepalive on [TCP 4.3.2].
func dial(ctx context.Context, network, address string, secure Secure) (conn net.Conn, err error) {
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	if secure != nil {
		conn, err = dialTLS(ctx, dialer, network, address, secure)
	} else {
		conn, err = dialer.DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			conn = quickconn.New(tcp)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", address, reason(err))
	}
	return conn, nil
}

func dialTLS(ctx context.Context, dialer *net.Dialer, network, address string, secure Secure) (net.Conn, error) {
	config, err := secure()
	if err != nil {
		return nil, err
	}
	conn, err := (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = errors.New("the server closed the connection at once: check that it speaks TLS at this port")
	}
	return conn, err
}
