package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"modferry/modbus"
	"modferry/modbus/server"
	"modferry/simulator/match"
)

// ListenTCP adds a Modbus TCP face and returns the address it is reached at. The
// address is host:port; without a host it is 127.0.0.1, and port 0 picks a free one.
func (s *Simulator) ListenTCP(address string) (net.Addr, error) {
	return s.listen(address, match.Kind{Name: FaceTCP, Framing: modbus.TCP, Closes: true}, s.serveTCP(FaceTCP))
}

func (s *Simulator) serveTCP(kind string) func(ctx context.Context, l net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		return s.server(kind, server.Options{}, s.onTCP).ServeTCP(ctx, l)
	}
}

// ListenStream is [Simulator.ListenTCP] for connections that carry RTU or ASCII
// frames, as a converter passes them on. Each is a line of its own to the devices.
func (s *Simulator) ListenStream(address string, framing modbus.Framing) (net.Addr, error) {
	name := FaceRTUOverTCP
	switch framing {
	case modbus.RTU:
	case modbus.ASCII:
		name = FaceASCIIOverTCP
	default:
		return nil, fmt.Errorf("no connections carry %v frames: possible are RTU and ASCII", framing)
	}
	return s.listen(address, match.Kind{Name: name, Framing: framing, Closes: true}, func(ctx context.Context, l net.Listener) error {
		return s.server(name, server.Options{}, s.hears(0)).ServeStream(ctx, s.pacedListener(l), framing)
	})
}

// ListenTLS is [Simulator.ListenTCP] over TLS 1.2 or newer.
func (s *Simulator) ListenTLS(address string, o ServerTLS) (net.Addr, error) {
	secure, err := o.Config()
	if err != nil {
		return nil, err
	}
	return s.listen(address, match.Kind{Name: FaceTLS, Framing: modbus.TCP, Closes: true}, func(ctx context.Context, l net.Listener) error {
		return s.serveTCP(FaceTLS)(ctx, tls.NewListener(l, secure))
	})
}

func (s *Simulator) listen(address string, is match.Kind, run func(ctx context.Context, l net.Listener) error) (net.Addr, error) {
	var listener net.Listener
	err := s.add(func() (face, error) {
		place, err := local(address)
		if err != nil {
			return nil, err
		}
		if listener, err = net.Listen("tcp", place); err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
		return &listenerFace{listener, run, is}, nil
	})
	if err != nil {
		return nil, err
	}
	return listener.Addr(), nil
}

// local returns an address that is 127.0.0.1 if it names no host.
func local(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("cannot listen on %q: write it as host:port, such as 127.0.0.1:5020", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// ListenUDP is [Simulator.ListenTCP] for datagrams.
func (s *Simulator) ListenUDP(address string) (net.Addr, error) {
	var conn net.PacketConn
	err := s.add(func() (face, error) {
		place, err := local(address)
		if err != nil {
			return nil, err
		}
		if conn, err = net.ListenPacket("udp", place); err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
		return &packetFace{s, conn}, nil
	})
	if err != nil {
		return nil, err
	}
	return conn.LocalAddr(), nil
}

type packetFace struct {
	*Simulator
	conn net.PacketConn
}

func (f *packetFace) serve(ctx context.Context) error {
	return f.server(FaceUDP, server.Options{}, f.onTCP).ServePackets(ctx, f.conn)
}

func (f *packetFace) close() error {
	if err := f.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (f *packetFace) restarted()       {}
func (f *packetFace) kind() match.Kind { return match.Kind{Name: FaceUDP, Framing: modbus.TCP} }
