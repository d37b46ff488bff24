// Package watch tells when files are no longer as they were when they were read:
// a configuration and the secrets and certificates that it names.
//
// It notices files that are written in place, replaced by renaming, removed and
// created again, and those behind symbolic links of which one is replaced, as
// Kubernetes does with its ..data. Editors and tools write in several steps, so it
// waits until nothing has happened for a moment, and then compares what the files
// hold: what changes nothing is not told. Network file systems do not tell the kernel
// of changes elsewhere.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle  = 300 * time.Millisecond // without an event, before the files are compared
	longest = 3 * time.Second        // they are compared at the latest, in a folder where something always happens
)

// Watcher compares files with how they were. Its methods may be called from any goroutine.
type Watcher struct {
	events  *fsnotify.Watcher
	log     *slog.Logger
	set     chan *Files
	changed chan struct{}
	refused []string // places whose trouble was logged
}

// New returns an error where the system cannot tell of changes.
func New(log *slog.Logger) (*Watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot watch files: %w", err)
	}
	return &Watcher{events: events, log: log, set: make(chan *Files, 1), changed: make(chan struct{}, 1)}, nil
}

// Watch replaces the files that are watched. What changed since they were read is
// told too.
func (w *Watcher) Watch(f *Files) {
	for {
		select {
		case w.set <- f:
			return
		case <-w.set: // the one before it was not even begun
		}
	}
}

// Changed has one token for any number of changes.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Run watches until ctx ends. Call it once, or the watcher stays open.
func (w *Watcher) Run(ctx context.Context) {
	defer func() { _ = w.events.Close() }() // nothing is lost with it
	files := &Files{}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var first time.Time // event since the files were compared; zero = none
	for {
		select {
		case <-ctx.Done():
			return
		case files = <-w.set:
			w.look(files)
			first = time.Now()
			timer.Reset(settle)
		case <-w.events.Events:
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, max(0, longest-time.Since(first))))
		case err := <-w.events.Errors: // events were lost, so anything may have happened
			w.log.Debug("changes of files may have been missed", "error", err)
			first = time.Now()
			timer.Reset(settle)
		case <-timer.C:
			first = time.Time{}
			if !w.look(files) {
				first = time.Now()
				timer.Reset(settle)
			}
			if files.changed() {
				select {
				case w.changed <- struct{}{}:
				default:
				}
			}
		}
	}
}

// look watches where the files are now, and nothing else. It is not done if a place
// went away meanwhile.
func (w *Watcher) look(files *Files) (done bool) {
	done = true
	var wanted []string
	for file := range files.all() {
		wanted = append(wanted, places(file)...)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	for _, place := range w.events.WatchList() {
		if !slices.Contains(wanted, place) {
			_ = w.events.Remove(place) // it may be gone, and its watch with it
		}
	}
	for _, place := range wanted {
		err := w.events.Add(place)
		if errors.Is(err, fs.ErrNotExist) {
			done = false
		} else if err != nil && !slices.Contains(w.refused, place) {
			w.refused = append(w.refused, place)
			w.log.Warn("changes there are not noticed: send SIGHUP after a change", "path", place, "error", err)
		}
	}
	return done
}
