package server

import (
	"log/slog"
	"time"

	"modferry/modbus"
)

// Handler answers requests. It may be called by many goroutines at once and must
// return within a bounded time: a line waits for it, and so does the end of serving.
//
// The request's data is only valid during the call; the reply's must stay as it is
// after it. With answer false, nothing is sent: the unit is not there, or keeps
// silent. On a serial line unit 0 is a broadcast, whose reply is never sent.
type Handler interface {
	Handle(unit byte, request modbus.PDU) (reply modbus.PDU, answer bool)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(unit byte, request modbus.PDU) (modbus.PDU, bool)

// Handle calls f.
func (f HandlerFunc) Handle(unit byte, request modbus.PDU) (modbus.PDU, bool) {
	return f(unit, request)
}

// Options of a Server. Only the Handler is needed.
type Options struct {
	Handler   Handler
	Responder Responder    // in the Handler's place, if there is one
	Logger    *slog.Logger // nil: silent

	// TCP.
	MaxConnections int           // more are closed at once; 0: 1000
	Idle           time.Duration // a connection without a request for this long is closed; 0: never (keepalive ends dead ones)

	// Serial lines.
	Silence    time.Duration // what ends a frame whose bytes do not tell its length, t3.5; 0: 5 ms
	Patience   time.Duration // an unfinished frame is given up after this long without a byte; 0: 50 ms for RTU, 1 s for ASCII
	ReplyDelay time.Duration // between a request and its reply
}

// Defaults of [Options].
const (
	DefaultMaxConnections = 1000
	DefaultSilence        = 5 * time.Millisecond
	DefaultPatience       = 50 * time.Millisecond // a USB adapter may pass bytes on 20 ms apart
	DefaultASCIIPatience  = time.Second           // [Serial 2.5.2.1]
)

// Server serves one Handler on any number of lines and listeners at once.
type Server struct{ o Options }

// New returns a server; see its Serve methods.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.Silence == 0 {
		o.Silence = DefaultSilence
	}
	return &Server{o}
}
