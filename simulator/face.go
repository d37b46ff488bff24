package simulator

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/server"
	"modferry/simulator/match"
	"modferry/simulator/pace"
)

// maxConnections is how many connections a face holds; more are closed at once.
const maxConnections = 10_000

// lineFraming returns the framing of serial lines and what stands for them.
func (s *Simulator) lineFraming() modbus.Framing {
	if s.framing == modbus.ASCII {
		return modbus.ASCII
	}
	return modbus.RTU
}

// server returns what answers on a face of a kind.
func (s *Simulator) server(kind string, o server.Options, answer server.HandlerFunc) *server.Server {
	o.Responder, o.Logger, o.MaxConnections = responder{s, kind, answer, o.ReplyDelay}, s.log.With("face", kind), maxConnections
	return server.New(o)
}

// serveLine serves a line of a speed, see onLine; its devices wait so long before
// they answer.
func (s *Simulator) serveLine(ctx context.Context, kind string, line io.ReadWriteCloser, baud int, silence time.Duration) error {
	// A device answers after t3.5 [Serial 2.5.1.1].
	one := s.server(kind, server.Options{Silence: silence, ReplyDelay: silence}, s.hears(baud))
	if s.framing == modbus.ASCII {
		return one.ServeASCII(ctx, line)
	}
	return one.ServeRTU(ctx, line)
}

// hears returns what answers on a line of a speed.
func (s *Simulator) hears(baud int) server.HandlerFunc {
	return func(unit byte, request modbus.PDU) (modbus.PDU, bool) { return s.onLine(baud, unit, request) }
}

// listenerFace is a face that clients connect to.
type listenerFace struct {
	net.Listener
	run func(ctx context.Context, l net.Listener) error
	is  match.Kind
}

func (f *listenerFace) serve(ctx context.Context) error { return f.run(ctx, f.Listener) }

func (f *listenerFace) close() error {
	if err := f.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (f *listenerFace) restarted()       {}
func (f *listenerFace) kind() match.Kind { return f.is }

// pace makes a line without a speed of its own as slow as the first device's serial
// line, if that is wanted.
func (s *Simulator) pace(line io.ReadWriteCloser) io.ReadWriteCloser {
	if !s.paced {
		return line
	}
	return pace.Line(line, s.speed)
}

// speed returns how long a character takes on the first device's line, and the silence
// between two frames.
func (s *Simulator) speed() (char, silence time.Duration) {
	d := s.devices[0]
	return modbus.SerialTiming(max(1, d.Baud()), bits(d.Profile().Serial))
}

// bits returns the bits of a character on the wire.
func bits(line profile.Serial) int {
	n := 1 + line.DataBits + line.StopBits
	if line.Parity != "none" {
		n++
	}
	return n
}

// pacedListener returns a listener whose connections are as slow as the line behind them.
func (s *Simulator) pacedListener(l net.Listener) net.Listener {
	if !s.paced {
		return l
	}
	return pace.Listener(l, s.speed)
}
