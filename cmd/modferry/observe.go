package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"modferry/gateway"
	"modferry/gateway/config"
)

// newGateway returns a gateway whose HTTP listener has metrics, too.
func newGateway(c *config.Config, log *slog.Logger) (*gateway.Gateway, error) {
	g, err := gateway.New(c, log)
	if err != nil {
		return nil, err
	}
	g.Handle("GET /metrics", g.Metrics(versionText()))
	return g, nil
}

// profiled runs something with Go's profiles served over HTTP beside it, on this
// machine only: they show what is in memory.
func profiled(ctx context.Context, address string, log *slog.Logger, run func(context.Context) error) error {
	if address == "" {
		return run(ctx)
	}
	listener, err := net.Listen("tcp", local(address))
	if err != nil {
		return fmt.Errorf("cannot serve profiles: %w", err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return errors.Join(usage("--pprof %s: profiles are for this machine only; write --pprof :6060", address), listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("profiles are not served any more", "error", err)
		}
	}()
	log.Info("profiles are served", "url", fmt.Sprintf("http://%s/debug/pprof/", listener.Addr()))
	err = run(ctx)
	_ = server.Close() // a profile that is being taken is of no use any more
	<-served
	return err
}
