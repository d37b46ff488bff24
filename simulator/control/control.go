package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"modferry/simulator"
)

// Options of a Server.
type Options struct {
	Address string       // host:port; without a host it is 127.0.0.1, and port 0 picks a free one
	Token   string       // that each request needs, at least 8 characters; "": none
	Logger  *slog.Logger // nil: silent
}

// Server is the control of one simulator.
type Server struct {
	s        *simulator.Simulator
	o        Options
	listener net.Listener
	mux      *http.ServeMux
	streams  chan struct{} // one for each stream of events
}

// maxStreams is how many streams of events there may be at once.
const maxStreams = 32

// Listen returns the control of a simulator, which answers when it is served. Error:
// the address cannot be listened on, or can be reached from other machines without a
// token.
func Listen(s *simulator.Simulator, o Options) (*Server, error) {
	host, port, err := net.SplitHostPort(o.Address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q: write it as host:port, such as 127.0.0.1:8081", o.Address)
	case o.Token == "" && !simulator.IsLoopback(o.Address):
		return nil, fmt.Errorf("cannot listen on %q without a token, because other machines can reach it: use 127.0.0.1, or a token", o.Address)
	case o.Token != "" && len(o.Token) < simulator.MinToken:
		return nil, fmt.Errorf("the token is too short: it needs at least %d characters", simulator.MinToken)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Server{s: s, o: o, streams: make(chan struct{}, maxStreams)}
	c.mux = c.newMux()
	if c.listener, err = net.Listen("tcp", net.JoinHostPort(host, port)); err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return c, nil
}

// URL returns where the control is, such as http://127.0.0.1:8081.
func (c *Server) URL() string { return "http://" + c.listener.Addr().String() }

// Close closes a control that is not served.
func (c *Server) Close() error { return c.listener.Close() }

const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 10 * time.Second
	idleTimeout   = time.Minute
	endTimeout    = 2 * time.Second // for requests under way, when serving ends
)

// Serve answers until ctx ends, and closes the listener. The error is nil if ctx
// ended it.
func (c *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &http.Server{
		Handler: c.guarded(c.mux), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(c.o.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		if h.Shutdown(short) != nil {
			_ = h.Close() // what did not end in time
		}
	}()
	err := h.Serve(c.listener)
	cancel()
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("cannot serve the control: %w", err)
}
