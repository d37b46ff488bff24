package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	maxStreams  = 32               // of all buses together
	alive       = 15 * time.Second // between two signs of life of a stream
	sendTimeout = 10 * time.Second // for a listener to take what is sent
)

// Handler answers GET requests with the transactions of one bus as server-sent events:
// ?bus=NAME says of which, &unit=N of which unit alone. At first come those that are
// kept of the past, but for a listener that connects anew those that it has
// (Last-Event-ID). Events are "transaction"; "lost" with the number of those that were
// dropped because the listener was too slow; and "gone" at the end of a bus. find
// returns the recorder of a bus, nil if there is none.
func Handler(find func(bus string) *Recorder) http.Handler {
	h := &handler{find, make(chan struct{}, maxStreams)}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	find    func(bus string) *Recorder
	streams chan struct{} // one for each stream
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	chosen, err := parseChoice(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	recorder := h.find(r.URL.Query().Get("bus"))
	if recorder == nil {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no bus %q: see /api/buses", r.URL.Query().Get("bus")))
		return
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		refuse(w, http.StatusServiceUnavailable, ErrCrowded)
		return
	}
	watcher, past, err := recorder.Watch()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	defer watcher.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s := &stream{ResponseWriter: w, control: http.NewResponseController(w), choice: chosen}
	s.run(r, watcher, past)
}

// choice is which entries a listener gets.
type choice struct {
	unit  int    // -1 = all
	since uint64 // the last that it has
}

func parseChoice(r *http.Request) (c choice, err error) {
	c.unit = -1
	query := r.URL.Query()
	for name := range query {
		if name != "bus" && name != "unit" {
			return c, fmt.Errorf("there is no parameter %q: possible are bus and unit", name)
		}
	}
	if query.Get("bus") == "" {
		return c, errors.New("say which bus, such as /api/trace?bus=line; /api/buses has their names")
	}
	if query.Has("unit") {
		unit, err := strconv.ParseUint(query.Get("unit"), 10, 8)
		if err != nil {
			return c, fmt.Errorf("unit must be a unit id, 0 to 255, not %q", query.Get("unit"))
		}
		c.unit = int(unit)
	}
	c.since, _ = strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // of somebody else's it is none
	return c, nil
}

func refuse(w http.ResponseWriter, status int, why error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
	}{why.Error()}) // whoever asked is gone
}

// stream is a stream of events on its way.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
	choice  choice
	buf     []byte // what is sent next
}

func (s *stream) run(r *http.Request, w *Watcher, past []Entry) {
	s.buf = append(s.buf, ": the last transactions, and what comes\n\n"...)
	for _, e := range past {
		if e.Number > s.choice.since || past[len(past)-1].Number < s.choice.since { // the numbers are of an earlier process
			s.write(e)
		}
	}
	signs := time.NewTicker(alive)
	defer signs.Stop()
	for s.send() {
		select {
		case e, there := <-w.Entries():
			if !s.take(e, there, w) {
				return
			}
		case <-signs.C:
			s.buf = append(s.buf, ": alive\n\n"...)
		case <-r.Context().Done():
			return
		}
	}
}

// take writes an entry and those that wait behind it, and reports whether there can be more.
func (s *stream) take(e Entry, there bool, w *Watcher) bool {
	for range queued {
		if !there {
			s.buf = append(s.buf, "event: gone\ndata: {}\n\n"...)
			s.send()
			return false
		}
		s.write(e)
		if len(w.Entries()) == 0 {
			break
		}
		e, there = <-w.Entries()
	}
	if n := w.Lost(); n > 0 {
		s.buf = fmt.Appendf(s.buf, "event: lost\ndata: {\"count\":%d}\n\n", n)
	}
	return true
}

func (s *stream) write(e Entry) {
	if s.choice.unit >= 0 && int(e.Unit) != s.choice.unit {
		return
	}
	b, err := json.Marshal(e)
	if err != nil {
		return // an entry has nothing that JSON cannot hold
	}
	s.buf = fmt.Appendf(s.buf, "id: %d\nevent: transaction\ndata: %s\n\n", e.Number, b)
}

// send sends what was written, and reports whether the listener is there.
func (s *stream) send() bool {
	if len(s.buf) == 0 {
		return true
	}
	if s.control.SetWriteDeadline(time.Now().Add(sendTimeout)) != nil {
		return false
	}
	_, err := s.Write(s.buf)
	s.buf = s.buf[:0]
	return err == nil && s.control.Flush() == nil
}
