// Package console is the gateway's HTTP side: a page that says what is here and how
// to reach it, MQTT over WebSocket at /mqtt where the broker is embedded, and for
// those who watch /healthz (does the process work?) and /readyz (does it serve?).
package console

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Options describe the server.
type Options struct {
	Listen  string       // host:port
	Gateway string       // name
	Prefix  string       // of the topics
	View    func() View  // what is there now; nil = nothing
	MQTT    http.Handler // of the embedded broker's WebSocket; nil = no /mqtt here

	TLS    func() (*tls.Config, error) // asked at each connection; nil = plain HTTP
	Live   func() error                // why the process is stuck, a line for each reason; nil = it never is
	Ready  func() error                // why it cannot serve now, likewise
	Logger *slog.Logger                // what clients do wrong, at debug level; nil = silent
}

// View is what the page shows.
type View struct {
	Buses   []Bus
	Devices []string // names
}

// Bus is how a bus is reached.
type Bus struct {
	Name                     string
	Request, Response, Error string // topics, <your name> where a client puts its own
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
}

//go:embed page.html
var page string

// New listens; requests are answered from [Server.Run] on.
func New(o Options) (*Server, error) {
	if o.View == nil {
		o.View = func() View { return View{} }
	}
	view, err := template.New("page").Parse(page)
	if err != nil {
		return nil, fmt.Errorf("cannot read the page: %w", err)
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
	return &Server{listener, &http.Server{
		Handler: http.MaxBytesHandler(o.pages(view), maxBody), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(o.logHandler(), slog.LevelDebug), ConnState: bounded(maxOpen),
	}}, nil
}

// bounded closes connections beyond a number. Those that became a WebSocket do not
// count: the broker bounds its own.
func bounded(most int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			if open.Add(1) > most {
				c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		case http.StateActive, http.StateIdle: // counted already
		}
	}
}

func (o Options) logHandler() slog.Handler {
	if o.Logger == nil {
		return slog.DiscardHandler
	}
	return o.Logger.Handler()
}

func (o Options) pages(view *template.Template) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := view.Execute(w, map[string]any{"O": o, "View": o.View(), "Host": r.Host, "Secure": r.TLS != nil}); err != nil {
			http.Error(w, "cannot show the page", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /healthz", health(o.Live))
	mux.HandleFunc("GET /readyz", health(o.Ready))
	if o.MQTT != nil {
		mux.Handle("/mqtt", o.MQTT)
	}
	return mux
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
