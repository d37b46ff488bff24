package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"modferry/modbus"
)

// StreamOptions describe a line that carries bytes.
type StreamOptions struct {
	// Open opens the line; it returns by the end of its context. See [DialSerial], [DialTCP].
	Open func(ctx context.Context) (Port, error)

	Framing    modbus.Framing // RTU or ASCII; 0 = RTU
	Timeout    time.Duration  // for a reply, where the call's context has no deadline; 0 = 1 s
	Delay      time.Duration  // quiet time after opening and between transactions, beyond t3.5
	Turnaround time.Duration  // wait after a broadcast; 0 = 100 ms
	Echo       bool           // the line returns what is sent before any reply; nothing is a reply before the echo was seen
}

const (
	defaultTurnaround = 100 * time.Millisecond // [Serial 2.4.1]
	networkSilence    = 20 * time.Millisecond  // ends a reply of unknown length that comes over a network
)

// Stream is a transporter over a line that carries bytes, one transaction at a
// time. A broadcast (unit 0) returns no reply and no error.
type Stream struct {
	o       StreamOptions
	life    context.Context // ends with Close
	stop    context.CancelFunc
	readers sync.WaitGroup
	closing sync.Once

	turn    chan struct{} // holds one token; who has it owns all below
	link    *link         // nil before the first request
	backoff backoff
	rest    rest
	clock   *time.Timer
	window  []byte
}

// NewStream returns a transporter that opens nothing before its first request.
func NewStream(o StreamOptions) *Stream {
	if o.Framing == 0 {
		o.Framing = modbus.RTU
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Turnaround <= 0 {
		o.Turnaround = defaultTurnaround
	}
	s := &Stream{o: o, turn: make(chan struct{}, 1), clock: stoppedTimer()}
	s.life, s.stop = context.WithCancel(context.Background())
	s.turn <- struct{}{}
	return s
}

// Framing is RTU or ASCII.
func (s *Stream) Framing() modbus.Framing { return s.o.Framing }

// Send is SendContext with the timeout of the options.
func (s *Stream) Send(adu []byte) ([]byte, error) { return s.SendContext(context.Background(), adu) }

// SendContext sends a request and returns its reply; see [Transporter].
func (s *Stream) SendContext(ctx context.Context, adu []byte) ([]byte, error) {
	request, err := s.parse(adu)
	if err != nil {
		return nil, &Error{Kind: Invalid, Err: fmt.Errorf("cannot send: %w", err)}
	}
	t, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer s.giveTurn()
	if err := t.write(adu); err != nil {
		return nil, err
	}
	if request.Unit == modbus.Broadcast {
		t.turnaround()
		return nil, nil
	}
	return t.await(adu, request)
}

func (s *Stream) parse(adu []byte) (modbus.ADU, error) {
	request, err := s.o.Framing.Parse(adu)
	if err != nil {
		return request, err
	}
	pdu := append(make([]byte, 0, modbus.MaxPDU), request.PDU.FunctionCode)
	if pdu = append(pdu, request.PDU.Data...); !modbus.HasRequestLength(pdu) {
		return request, fmt.Errorf("a request of function %d cannot have a PDU of %d bytes", pdu[0], len(pdu))
	}
	return request, nil
}

// Connect opens the line if it is not open. The context's deadline, or the
// options' timeout, bounds it.
func (s *Stream) Connect(ctx context.Context) error {
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.giveTurn()
	return t.open()
}

// Close ends running calls and closes the line; see [Transporter].
func (s *Stream) Close() error {
	s.closing.Do(func() {
		s.stop()
		<-s.turn // kept for ever: a frame that is being written is finished first, none follows
		if s.link != nil {
			s.link.close(errClosed)
		}
		s.readers.Wait()
	})
	return nil
}

func (s *Stream) giveTurn() { s.turn <- struct{}{} }

// finder returns what finds the reply to request on the open line.
func (s *Stream) finder(request modbus.ADU) finder {
	if s.o.Framing == modbus.ASCII {
		return asciiFinder{request}
	}
	silence := s.link.timing.Silence
	if s.link.timing.network() {
		silence = networkSilence
	}
	return rtuFinder{request, silence}
}

// gap is the silence before a frame. ASCII frames need none.
func (s *Stream) gap() time.Duration {
	if s.o.Framing == modbus.ASCII {
		return 0
	}
	return s.link.timing.gap()
}

// judge forgets a dead link: one that delivered something ends a row of failures,
// one that was lost without is a failure itself.
func (s *Stream) judge() {
	if s.link == nil {
		return
	}
	if s.link.count() > 0 {
		s.backoff.reset()
	} else if why := s.link.dead(); !errors.Is(why, errNoAnswer) {
		s.backoff.failed(time.Now(), why)
	}
	s.link = nil
}
