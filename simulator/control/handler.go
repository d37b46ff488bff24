package control

import (
	"context"
	"net/http"

	"modferry/simulator"
)

// Handler returns the control of a simulator for a server that exists already and
// decides itself who may use it: there is no token. It takes the paths that the
// document has, so a server that has it below another path strips that. Streams, and
// waits for calls, end with ctx.
func Handler(ctx context.Context, s *simulator.Simulator) http.Handler {
	c := &Server{s: s, streams: make(chan struct{}, maxStreams)}
	mux := c.newMux()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		within, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		mux.ServeHTTP(w, r.WithContext(within))
	})
}
