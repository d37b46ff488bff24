// Package console is the gateway's HTTP side: a page that says what is here and how
// to reach it, MQTT over WebSocket at /mqtt where the broker is embedded, and
// /healthz for those who watch.
package console

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"
)

// Options describe the server.
type Options struct {
	Listen  string       // host:port
	Gateway string       // name
	Prefix  string       // of the topics
	Buses   []Bus        // and how to reach them
	Devices []string     // names
	MQTT    http.Handler // of the embedded broker's WebSocket; nil = no /mqtt here
}

// Bus is how a bus is reached.
type Bus struct {
	Name                     string
	Request, Response, Error string // topics, <your name> where a client puts its own
}

const (
	headerTimeout = 10 * time.Second
	stopTimeout   = time.Second
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
	view, err := template.New("page").Parse(page)
	if err != nil {
		return nil, fmt.Errorf("cannot read the page: %w", err)
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot serve HTTP: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := view.Execute(w, map[string]any{"O": o, "Host": r.Host}); err != nil {
			http.Error(w, "cannot show the page", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	if o.MQTT != nil {
		mux.Handle("/mqtt", o.MQTT)
	}
	return &Server{listener, &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}}, nil
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
