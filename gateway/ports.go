package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// port is a line that can be closed.
type port interface {
	bus.Line
	Close() error
}

// ports opens the lines of the buses. Buses that reach their devices over the same
// connection share one: many devices accept no second. One goroutine uses it.
type ports struct {
	log    *slog.Logger
	shared map[string]*sharedPort // by the first bus that uses it
}

func newPorts(log *slog.Logger) *ports {
	return &ports{log: log, shared: map[string]*sharedPort{}}
}

// open returns the transport of a bus, one of all; nothing is opened before the
// first request.
func (p *ports) open(c config.Bus, all []config.Bus) port {
	users := sharing(all, c)
	log := p.log.With("bus", users[0].Name)
	if len(users) == 1 {
		return newPort(c, log)
	}
	s := p.shared[users[0].Name]
	if s == nil || s.isClosed() {
		common := leastDemanding(users)
		s = newSharedPort(newPort(common, log), inFlight(common), users)
		p.shared[users[0].Name] = s
	}
	return &share{sharedPort: s}
}

// sharing returns the buses with the connection of c, itself among them, in the file's order.
func sharing(all []config.Bus, c config.Bus) []config.Bus {
	var users []config.Bus
	for _, b := range all {
		if b.Name == c.Name || b.TCP != nil && c.TCP != nil && b.TCP.SameConnection(c.TCP) {
			users = append(users, b)
		}
	}
	return users
}

// leastDemanding returns the options of one connection for all users: what the most
// careful of them asks for is known of the device behind it.
func leastDemanding(users []config.Bus) config.Bus {
	common := users[0]
	tcp := *common.TCP
	for _, b := range users[1:] {
		tcp.InFlight = min(tcp.InFlight, b.TCP.InFlight)
		common.Delay = max(common.Delay, b.Delay)
		common.Timeout = max(common.Timeout, b.Timeout)
		common.Turnaround = max(common.Turnaround, b.Turnaround)
	}
	common.TCP = &tcp
	return common
}

// Line returns the line of a bus, which opens with its first request.
func Line(c config.Bus, log *slog.Logger) interface {
	bus.Line
	io.Closer
} {
	return newPort(c, log)
}

func newPort(c config.Bus, log *slog.Logger) port {
	if c.Serial != nil {
		return transport.NewStream(transport.StreamOptions{
			Framing: c.Serial.Mode, Timeout: c.Timeout, Delay: c.Delay, Turnaround: c.Turnaround, Echo: c.Serial.Echo,
			Open: transport.DialSerial(serialOptions(c.Serial, log)),
		})
	}
	var secure transport.Secure
	if c.TCP.TLS != nil {
		secure = transport.TLSFiles(*c.TCP.TLS).Config
	}
	if c.TCP.Framing == modbus.TCP {
		return transport.NewTCP(transport.TCPOptions{
			Network: c.TCP.Network, Address: c.TCP.Address, TLS: secure, InFlight: c.TCP.InFlight, Timeout: c.Timeout, Delay: c.Delay,
		})
	}
	return transport.NewStream(transport.StreamOptions{
		Framing: c.TCP.Framing, Timeout: c.Timeout, Delay: c.Delay, Turnaround: c.Turnaround,
		Open: transport.DialTCP(c.TCP.Address, secure),
	})
}

func serialOptions(s *config.Serial, log *slog.Logger) transport.SerialOptions {
	o := transport.SerialOptions{
		Path: s.Path, Baud: s.Baud, Parity: s.Parity, DataBits: s.DataBits, StopBits: s.StopBits,
		FrameGap: s.FrameGap, DTR: s.DTR, RTS: s.RTS, LowLatency: s.LowLatency, Log: log,
	}
	if r := s.RS485; r != nil {
		o.RS485 = &transport.RS485{Optional: r.Auto, Inverted: !r.RTSOnSend, DelayBefore: r.DelayBefore, DelayAfter: r.DelayAfter}
	}
	return o
}

func inFlight(c config.Bus) int {
	if c.TCP != nil && c.TCP.Framing == modbus.TCP {
		return c.TCP.InFlight
	}
	return 1
}

// sharedPort is one connection of several buses. Requests get it in the order in
// which they come, and their response timeout begins only then: it is for the
// device, and must not be spent on the dead units of another bus.
type sharedPort struct {
	port
	turns    chan struct{} // a token for each transaction that may be in flight
	patience time.Duration // the longest wait for a turn

	mu    sync.Mutex
	users int
}

func newSharedPort(p port, inFlight int, users []config.Bus) *sharedPort {
	s := &sharedPort{port: p, turns: make(chan struct{}, inFlight), users: len(users)}
	for range inFlight {
		s.turns <- struct{}{}
	}
	for _, b := range users { // all that can be before a request, each with the silence that a timeout needs after it
		s.patience += time.Duration(b.TCP.InFlight) * (3*b.Timeout + b.Delay)
	}
	return s
}

func (s *sharedPort) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users == 0
}

// share is a bus's part in a shared port. Its Close closes the port with the last one.
type share struct {
	*sharedPort
	closing sync.Once
}

func (s *share) Close() (err error) {
	s.closing.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users == 0 {
			err = s.port.Close()
		}
	})
	return err
}

var errOthers = errors.New("other buses use the connection to this device without a pause; nothing was sent")

func (s *share) SendContext(ctx context.Context, adu []byte) ([]byte, error) {
	var timeout time.Duration
	end, limited := ctx.Deadline()
	if limited {
		timeout = time.Until(end)
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	defer func() { s.turns <- struct{}{} }()
	if !limited {
		return s.port.SendContext(ctx, adu)
	}
	moved, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	return s.port.SendContext(moved, adu)
}

// wait takes a token.
func (s *share) wait(ctx context.Context) error {
	select {
	case <-s.turns:
		return nil
	default:
	}
	clock := time.NewTimer(s.patience)
	defer clock.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case <-s.turns:
			return nil
		case <-clock.C:
			return &transport.Error{Kind: transport.Timeout, Err: errOthers}
		case <-cancelled:
			if errors.Is(ctx.Err(), context.Canceled) {
				return &transport.Error{Kind: transport.Timeout, Err: fmt.Errorf("the caller did not wait for the reply: %w", ctx.Err())}
			}
			cancelled = nil // its timeout has not begun
		}
	}
}
