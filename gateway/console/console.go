// Package console is the gateway's HTTP side: a page to see and try everything with a
// browser, MQTT over WebSocket at /mqtt where the broker is embedded, and for those
// who watch /healthz (does the process work?) and /readyz (does it serve?).
//
// The page itself (page/) is the same for everybody and holds no secrets. What it
// shows comes from /api/view and, as for any app, over MQTT: the broker decides what
// somebody may do. /api/view and what [Server.Handle] adds are behind a guard: only
// pages of this server may ask a browser for them, and where the configuration has
// users only those who logged in. /mqtt has the broker's own users.
package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options describe the server.
type Options struct {
	Listen  string            // host:port
	Gateway string            // name
	View    func() View       // what is there now; nil = nothing
	MQTT    http.Handler      // of the embedded broker's WebSocket; nil = no /mqtt here
	Users   map[string]string // passwords by name; empty = nobody logs in, which is for loopback addresses only

	TLS    func() (*tls.Config, error) // asked at each connection; nil = plain HTTP
	Live   func() error                // why the process is stuck, a line for each reason; nil = it never is
	Ready  func() error                // why it cannot serve now, likewise
	Logger *slog.Logger                // what clients do wrong, at debug level; nil = silent
}

// What one client may take. They end where a WebSocket begins, which has limits of its own.
const (
	headerTimeout = 10 * time.Second // for the TLS handshake and the header
	readTimeout   = 20 * time.Second // for the whole request
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute // between two requests
	maxHeader     = 16 << 10    // bytes
	maxBody       = 64 << 10    // bytes
	maxOpen       = 256         // connections of all clients together

	stopTimeout = time.Second
)

// Server is the HTTP listener.
type Server struct {
	listener net.Listener
	server   *http.Server
	mux      *http.ServeMux
	guard    *guard
	view     func() View

	mu        sync.Mutex
	simulator string // path of its control
}

// SimulatorPath is where the control of a simulator in the same process is served,
// with [Server.Handle]; the page then shows the device.
const SimulatorPath = "/simulator/"

// New listens; requests are answered from [Server.Run] on.
func New(o Options) (*Server, error) {
	files, err := newPage()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot serve HTTP: %w", err)
	}
	if o.TLS != nil {
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return o.TLS() },
		})
	}
	s := &Server{listener: listener, mux: http.NewServeMux(), guard: &guard{}, view: o.View}
	if s.view == nil {
		s.view = func() View { return View{Gateway: o.Gateway} }
	}
	if len(o.Users) > 0 {
		s.guard.logins = newLogins(o.Gateway, o.Users)
	}
	s.routes(o, files)
	s.server = &http.Server{
		Handler: http.MaxBytesHandler(hardened(s.mux), maxBody), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(o.logHandler(), slog.LevelDebug), ConnState: newDoor(maxOpen, slog.New(o.logHandler())).changed,
	}
	return s, nil
}

func (s *Server) routes(o Options, files page) {
	s.mux.Handle("/", s.guard.atHome(files))
	s.mux.Handle("GET /api/view", s.guard.protect(http.HandlerFunc(s.serveView)))
	s.mux.Handle("GET /api/session", s.guard.atHome(http.HandlerFunc(s.guard.session)))
	s.mux.Handle("POST /api/login", s.guard.atHome(http.HandlerFunc(s.guard.login)))
	s.mux.Handle("POST /api/logout", s.guard.protect(http.HandlerFunc(s.guard.logout)))
	s.mux.HandleFunc("GET /healthz", health(o.Live))
	s.mux.HandleFunc("GET /readyz", health(o.Ready))
	if o.MQTT != nil {
		s.mux.Handle("/mqtt", o.MQTT)
	}
}

// Handle serves h at a pattern of [http.ServeMux], behind the guard: h gets requests of
// those who may use the gateway only, and finds who that is with [User]. The limits on
// sizes and times hold for h too, unless it sets deadlines of its own.
func (s *Server) Handle(pattern string, h http.Handler) {
	s.mux.Handle(pattern, s.guard.protect(h))
	if pattern == SimulatorPath {
		s.mu.Lock()
		s.simulator = pattern
		s.mu.Unlock()
	}
}

func (o Options) logHandler() slog.Handler {
	if o.Logger == nil {
		return slog.DiscardHandler
	}
	return o.Logger.Handler()
}

// Addr returns the address, with the port that was chosen for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close frees the listener of a server that is not going to run.
func (s *Server) Close() error { return s.listener.Close() }

// Run answers requests until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if s.server.Shutdown(last) != nil {
			_ = s.server.Close() // what is still open after a second is cut
		}
	})
	err := s.server.Serve(s.listener)
	if end() {
		close(stopped)
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
