package trace

import (
	"errors"
	"slices"
	"sync"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
)

// Entry is one transaction. Its bytes must not be changed: all watchers share them.
type Entry struct {
	Number    uint64 // from 1, in the order in which transactions ended
	Time      time.Time
	Elapsed   time.Duration
	Client    string // "" for a poll
	Poll      bool
	Unit      byte
	Framing   modbus.Framing
	Request   []byte
	Reply     []byte // empty if none came
	Outcome   bus.Outcome
	Exception byte // of the device; 0 if it sent none
}

const (
	// Kept is how many bytes of the past a recorder keeps at most; a poll of a few
	// registers takes some fifty.
	Kept = 2 * keptHalf

	// MaxWatchers is how many may watch a bus at once.
	MaxWatchers = 8

	keptHalf = 4 << 10
	queued   = 256 // entries that wait for a watcher
)

// Errors of [Recorder.Watch].
var (
	ErrCrowded = errors.New("too many watch this bus already: close another trace of it")
	ErrClosed  = errors.New("the bus is not configured any more")
)

// Recorder keeps the last transactions of a bus and passes them on to those who watch.
// The zero value is ready.
type Recorder struct {
	mu       sync.Mutex
	number   uint64
	now      []byte // entries as appendEntry writes them, until keptHalf is reached
	before   []byte // those before them
	watchers []*Watcher
	closed   bool
}

// Add records a transaction; it copies the frames, and does not block.
func (r *Recorder) Add(t bus.Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.number++
	start := len(r.now)
	r.now = appendEntry(r.now, r.number, t)
	if len(r.watchers) > 0 {
		e, _ := parseEntry(slices.Clone(r.now[start:]))
		for _, w := range r.watchers {
			w.give(e)
		}
	}
	if len(r.now) >= keptHalf {
		r.now, r.before = r.before[:0], r.now
	}
}

// Watch returns a watcher of what comes, and the entries kept of what was, oldest
// first. Errors: [ErrCrowded], [ErrClosed].
func (r *Recorder) Watch() (*Watcher, []Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, nil, ErrClosed
	case len(r.watchers) >= MaxWatchers:
		return nil, nil, ErrCrowded
	}
	w := &Watcher{recorder: r, entries: make(chan Entry, queued)}
	r.watchers = append(r.watchers, w)
	return w, r.kept(), nil
}

func (r *Recorder) kept() (all []Entry) {
	for b := slices.Concat(r.before, r.now); len(b) > 0; {
		var e Entry
		e, b = parseEntry(b)
		all = append(all, e)
	}
	return all
}

// Close ends all watching, for a bus that is not there any more.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.now, r.before = true, nil, nil
	for _, w := range r.watchers {
		close(w.entries)
	}
	r.watchers = nil
}

// Watcher takes what passes from when it was made until it is closed.
type Watcher struct {
	recorder *Recorder
	entries  chan Entry
	lost     uint64 // guarded by recorder.mu
}

// Entries gives what passes. It is closed when the bus is gone.
func (w *Watcher) Entries() <-chan Entry { return w.entries }

// give passes an entry on if there is room. Called with recorder.mu held.
func (w *Watcher) give(e Entry) {
	select {
	case w.entries <- e:
	default:
		w.lost++
	}
}

// Lost returns how many entries were dropped since the last call.
func (w *Watcher) Lost() uint64 {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	n := w.lost
	w.lost = 0
	return n
}

// Close ends watching.
func (w *Watcher) Close() {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	if i := slices.Index(w.recorder.watchers, w); i >= 0 {
		w.recorder.watchers = slices.Delete(w.recorder.watchers, i, i+1)
	}
}
