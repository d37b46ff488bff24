package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"modferry/simulator"
)

const (
	alive        = 15 * time.Second // between two signs of life of a stream
	eventTimeout = 10 * time.Second // for a listener to take an event
)

var kinds = []string{"call", "value", "fault", "power", "clock", "lost"}

// events sends what happens from now on, as server-sent events. It ends with the
// connection, or when whoever listens takes nothing any more.
func (c *Server) events(w http.ResponseWriter, r *http.Request) {
	query, err := parameters(r, []string{"kind"})
	wanted := kinds
	if err == nil && query.Has("kind") {
		wanted = append(strings.Split(query.Get("kind"), ","), "lost")
		for _, k := range wanted {
			if !slices.Contains(kinds, k) {
				err = fmt.Errorf("there are no events of kind %s: possible are %s", shown(k), strings.Join(kinds, ", "))
			}
		}
	}
	if err != nil {
		write(w, wrong(err))
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		write(w, problemf(http.StatusServiceUnavailable, "there are %d streams of events: close one", maxStreams))
		return
	}
	l := c.s.Listen()
	defer l.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	s := stream{w, http.NewResponseController(w)}
	if s.send(": from now on\n\n") != nil {
		return
	}
	s.run(r, l, wanted)
}

// stream is a stream of events on its way.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (s stream) run(r *http.Request, l *simulator.Listener, wanted []string) {
	signs := time.NewTicker(alive)
	defer signs.Stop()
	for err := error(nil); err == nil; {
		select {
		case e := <-l.Events:
			if slices.Contains(wanted, e.Kind) {
				err = s.tell(e)
			}
		case <-signs.C:
			err = s.send(": alive\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

func (s stream) tell(e simulator.Event) error {
	b, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	return s.send(fmt.Sprintf("event: %s\ndata: %s\n\n", e.Kind, b))
}

func (s stream) send(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return err
	}
	if _, err := s.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
