package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"modferry/gateway/mqtt"
	"modferry/gateway/screen"
	"modferry/gateway/watch"
)

const (
	watchQueue  = 4096                   // changes that wait to be printed
	redrawSoon  = 100 * time.Millisecond // after a change, or a key
	redrawLate  = time.Second            // for the ages, and a window of another size
	redrawShare = 4                      // times what drawing took
	wheelRows   = 1
	pageOverlap = 3
)

var discarded = slog.New(slog.DiscardHandler)

// watcher holds what is known, and who wants to hear of it.
type watcher struct {
	f       watchFlags
	changed chan struct{} // has a token if there is something to draw
	events  chan watch.Event

	mu        sync.Mutex
	state     watch.State
	connected bool
	failed    error
	missed    int  // changes that found no place in the queue
	queued    bool // somebody prints changes
}

func newWatcher(f watchFlags, queued bool) *watcher {
	return &watcher{f: f, changed: make(chan struct{}, 1), events: make(chan watch.Event, watchQueue), state: watch.State{Prefix: f.topics()}, queued: queued}
}

// handle takes a message. It does not block.
func (w *watcher) handle(m mqtt.Message) {
	m.Ack()
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.state.Apply(m.Topic, m.Payload, m.Retained, time.Now())
	if ok {
		w.tell(e)
	}
	w.touch()
}

func (w *watcher) online() { w.connection(true, nil) }

func (w *watcher) lost(err error) { w.connection(false, err) }

func (w *watcher) connection(connected bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := w.connected == connected && (err == nil) == (w.failed == nil) && (err == nil || err.Error() == w.failed.Error())
	w.connected, w.failed = connected, err
	if same {
		return
	}
	e := watch.Event{Time: time.Now().UTC().Truncate(time.Millisecond), Kind: "broker", State: "connected"}
	if !connected {
		e.State = "away"
	}
	if err != nil {
		e.Error = err.Error()
	}
	w.tell(e)
	w.touch()
}

// tell queues a change for who prints lines. Called with w.mu held.
func (w *watcher) tell(e watch.Event) {
	if !w.queued {
		return
	}
	select {
	case w.events <- e:
	default:
		w.missed++
	}
}

func (w *watcher) touch() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// lines prints each change until ctx ends or nobody reads on.
func (w *watcher) lines(ctx context.Context, out, errors io.Writer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.events:
			if err := w.line(out, errors, e); err != nil {
				return fmt.Errorf("cannot print: %w", err)
			}
		}
	}
}

func (w *watcher) line(out, errors io.Writer, e watch.Event) (err error) {
	w.mu.Lock()
	missed := w.missed
	w.missed = 0
	w.mu.Unlock()
	if missed > 0 {
		fmt.Fprintf(errors, "%d changes were not printed: nobody read them fast enough\n", missed)
	}
	switch {
	case w.f.json:
		return json.NewEncoder(out).Encode(e)
	case e.Kind == "broker" && e.State == "connected":
		fmt.Fprintf(errors, "connected to %s\n", shownURL(w.f.broker))
	case e.Kind == "broker":
		fmt.Fprintf(errors, "no connection to %s, trying again: %s\n", shownURL(w.f.broker), screen.Clean(e.Error))
	default:
		_, err = fmt.Fprintln(out, e.Line())
	}
	return err
}

// table draws a page until ctx ends or somebody has seen enough.
func (w *watcher) table(ctx context.Context, terminal *os.File) error {
	s := screen.Open(terminal)
	defer s.Close()
	view := &watch.View{Keys: s.HasKeys()}
	tick := time.NewTicker(redrawLate)
	defer tick.Stop()
	for {
		w.view(s, view)
		if err := s.Draw(w.page(view)); err != nil {
			return fmt.Errorf("cannot draw: %w", err)
		}
		select { // not more often than somebody can look, nor most of the time
		case <-ctx.Done():
			return nil
		case <-time.After(max(redrawSoon, redrawShare*time.Since(view.Now))):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.changed:
		case key := <-s.Keys():
			if key == screen.Quit {
				return nil
			}
			scroll(view, key)
		}
	}
}

func (w *watcher) view(s *screen.Screen, v *watch.View) {
	v.Columns, v.Rows = s.Size()
	v.Now = time.Now()
}

// page returns the lines to draw.
func (w *watcher) page(v *watch.View) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	state, why := "connecting", ""
	switch {
	case w.connected:
		state = "connected"
	case w.failed != nil:
		state, why = "NO CONNECTION", ": "+w.failed.Error()
	}
	v.Head = fmt.Sprintf("%s  %s, %s%s", v.Now.Format("15:04:05"), state, w.f.where(), why) // what matters first: the window may be narrow
	return w.state.Table(v)
}

// scroll moves the view; the table keeps it inside.
func scroll(v *watch.View, key screen.Key) {
	page := max(1, v.Rows-pageOverlap)
	switch key {
	case screen.Up:
		v.Top -= wheelRows
	case screen.Down:
		v.Top += wheelRows
	case screen.PageUp:
		v.Top -= page
	case screen.PageDown:
		v.Top += page
	case screen.Home:
		v.Top = 0
	case screen.End:
		v.Top = 1 << 30
	}
}

// shownURL is a broker's address without a password.
func shownURL(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return "(an address that cannot be read)"
	}
	return screen.Clean(u.Redacted())
}
