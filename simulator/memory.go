package simulator

import (
	"context"
	"io"
	"net"
	"time"

	"modferry/modbus"
	"modferry/modbus/server"
	"modferry/modbus/transport"
	"modferry/simulator/match"
	"modferry/simulator/wire"
)

// Memory is a face in this process: no port, no file, nothing that two tests could
// share by mistake.
type Memory struct {
	framing  modbus.Framing
	listener *wire.Listener
}

// Memory adds a face in memory, for frames of Modbus TCP, RTU or ASCII.
func (s *Simulator) Memory(framing modbus.Framing) (*Memory, error) {
	m := &Memory{framing, wire.Listen()}
	return m, s.add(func() (face, error) {
		return &listenerFace{m.listener, func(ctx context.Context, l net.Listener) error {
			if framing == modbus.TCP {
				return s.serveTCP(FaceMemory)(ctx, l)
			}
			return s.server(FaceMemory, server.Options{}, s.hears(0)).ServeStream(ctx, s.pacedListener(l), framing)
		}, match.Kind{Name: FaceMemory, Framing: framing, Closes: true}}, nil
	})
}

// Dial connects to the devices; it waits until the simulator runs. Over RTU and
// ASCII each connection is a line of its own.
func (m *Memory) Dial(ctx context.Context) (net.Conn, error) { return m.listener.Dial(ctx) }

// Transporter returns a transporter to the devices, with that timeout for a reply (0:
// a second). It connects with its first request. Close it.
func (m *Memory) Transporter(timeout time.Duration) transport.Transporter {
	if m.framing == modbus.TCP {
		return transport.NewTCP(transport.TCPOptions{Address: "memory", Open: m.Dial, Timeout: timeout})
	}
	return transport.NewStream(transport.StreamOptions{Framing: m.framing, Timeout: timeout, Open: func(ctx context.Context) (transport.Port, error) {
		conn, err := m.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return memoryPort{conn}, nil
	}})
}

// memoryPort is a line in memory, which has no speed.
type memoryPort struct{ net.Conn }

func (memoryPort) Flush() error             { return nil }
func (memoryPort) Timing() transport.Timing { return transport.Timing{} }

// Join adds a line that others may be on, too, as a face: a station of a [wire.Wire],
// or anything else that carries the simulator's framing. It is closed in the end.
func (s *Simulator) Join(line io.ReadWriteCloser) error {
	return s.add(func() (face, error) { return &lineFace{s, s.pace(line), FaceMemory}, nil })
}

type lineFace struct {
	*Simulator
	line io.ReadWriteCloser
	name string // of its kind
}

func (f *lineFace) serve(ctx context.Context) error {
	return f.serveLine(ctx, f.name, f.line, 0, 0)
}

func (f *lineFace) close() error {
	_ = f.line.Close() // nothing is waiting to be sent, and serving it may have closed it
	return nil
}

func (f *lineFace) restarted()       {}
func (f *lineFace) kind() match.Kind { return match.Kind{Name: f.name, Framing: f.lineFraming()} }
