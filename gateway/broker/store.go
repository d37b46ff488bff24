package broker

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modferry/gateway/wholefile"
)

// The file is a log: a line that names it, and frames {length u32, CRC-32C u32,
// records}, one or more for each transaction. A record is a key and what it has now,
// nothing if it is gone. A process begins the file anew when it starts, and when
// most of it is out of date.
const (
	storeName  = "broker.log"
	storeMagic = "modferry broker 1\n"

	storeLag     = 50 * time.Millisecond // how long a change waits for others to be written with
	storeRetry   = 5 * time.Second       // between attempts to begin the file anew
	aliveEvery   = time.Minute
	frameBytes   = 1 << 20   // records gathered in one frame
	maxFrame     = 8 << 20   // larger ones are damage
	maxStore     = 512 << 20 // bytes of a file that is read
	compactBytes = 4 << 20   // beyond twice what the file began with, it is begun anew
	keepBroken   = 3         // files that were set aside
)

// value is what a key has: bytes, or a message, which is encoded when it is written.
type value struct {
	bytes   []byte
	message *message
	from    string // client id that published the message
}

func (v value) gone() bool { return v.bytes == nil && v.message == nil }

// change is a value that is not written yet.
type change struct {
	value
	fresh bool // the key was never written
}

// store writes the changes of the hub to the file. One goroutine writes; nothing
// else waits for the disk but [store.sync].
type store struct {
	path     string
	log      *slog.Logger
	snapshot func() (map[string]value, []chan struct{}) // everything, and take

	mu      sync.Mutex
	pending map[string]change
	waiting []chan struct{}
	lazy    chan struct{} // a change is pending
	urgent  chan struct{} // somebody waits

	// Of the writing goroutine.
	file   *os.File
	size   int64 // of the file
	base   int64 // when it was begun
	failed time.Time
	told   bool
	lock   *os.File
}

func newStore(dir string, log *slog.Logger) *store {
	return &store{
		path: filepath.Join(dir, storeName), log: log, pending: map[string]change{},
		lazy: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
	}
}

// put notes what a key has from now on.
func (s *store) put(key string, v value) { s.note(key, v, false) }

// putNew does that for a key that was never used before.
func (s *store) putNew(key string, v value) { s.note(key, v, true) }

// drop notes that a key is gone. If it was never written there is nothing to do.
func (s *store) drop(key string) { s.note(key, value{}, false) }

func (s *store) note(key string, v value, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, pending := s.pending[key]
	if pending {
		fresh = old.fresh
	}
	if v.gone() && fresh {
		delete(s.pending, key)
		return
	}
	s.pending[key] = change{v, fresh}
	notify(s.lazy)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sync waits until everything noted so far is on disk, or was tried to be.
func (s *store) sync(timeout time.Duration) {
	done := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	notify(s.urgent)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// take returns the pending changes and those who wait for them.
func (s *store) take() (map[string]change, []chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, waiting := s.pending, s.waiting
	s.pending, s.waiting = map[string]change{}, nil
	return changes, waiting
}

// run writes until stop is closed, and then once more.
func (s *store) run(stop <-chan struct{}) {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case <-stop:
			s.flush(true)
			s.end()
			return
		case <-s.urgent:
		case <-s.lazy:
			s.linger(stop)
		case <-alive.C:
			s.put(string(kindAlive), value{bytes: aliveRecord()})
		}
		s.flush(false)
	}
}

// linger gives further changes the time to come along.
func (s *store) linger(stop <-chan struct{}) {
	timer := time.NewTimer(storeLag)
	defer timer.Stop()
	select {
	case <-s.urgent:
	case <-stop:
	case <-timer.C:
	}
}

func aliveRecord() []byte { return binary.AppendVarint(nil, time.Now().UnixMilli()) }

// flush writes what is pending.
func (s *store) flush(last bool) {
	var waiting []chan struct{}
	if s.file == nil || s.size > 2*s.base+compactBytes {
		if s.file != nil || last || time.Since(s.failed) >= storeRetry {
			waiting = s.begin()
		} else { // there is nothing to write to; all of it is in the snapshot of the next attempt
			_, waiting = s.take()
		}
	} else {
		var changes map[string]change
		if changes, waiting = s.take(); len(changes) > 0 {
			s.report(s.append(changes))
		}
	}
	for _, w := range waiting {
		close(w)
	}
}

// append adds a transaction to the file.
func (s *store) append(changes map[string]change) error {
	if err := s.named(); err != nil {
		s.abandon()
		return err
	}
	changes[string(kindAlive)] = change{value: value{bytes: aliveRecord()}}
	out := frames{w: s.file}
	for key, c := range changes {
		out.add(key, c.value)
	}
	err := out.end()
	s.size += out.written
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.abandon()
	}
	return err
}

// abandon gives the file up, for another to be begun.
func (s *store) abandon() {
	_ = s.file.Close() // it has failed
	s.file, s.failed = nil, time.Now()
}

var errGone = errors.New("the file was removed or replaced")

// named reports whether the next process would find this very file.
func (s *store) named() error {
	here, err := s.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(s.path); err != nil || !os.SameFile(here, there) {
		return errGone
	}
	return nil
}

// begin writes a new file with everything in it, and puts it in the place of the old one.
func (s *store) begin() []chan struct{} {
	if s.file != nil {
		_ = s.file.Close() // synced; and no system likes to replace an open file
	}
	all, waiting := s.snapshot()
	next, size, err := s.fresh(all)
	if s.file, s.size, s.base = next, size, size; err != nil {
		s.file, s.failed = nil, time.Now()
	}
	s.report(err)
	return waiting
}

// fresh makes a new file with these records and returns it open, to be added to.
func (s *store) fresh(all map[string]value) (file *os.File, size int64, err error) {
	name := s.path + ".new"
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, 0, err
	}
	if size, err = writeStore(name, all); err != nil {
		_ = os.Remove(name)
		return nil, 0, err
	}
	if err := os.Rename(name, s.path); err != nil {
		return nil, 0, err
	}
	if err := wholefile.SyncDir(filepath.Dir(s.path)); err != nil {
		return nil, 0, err
	}
	file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0o600)
	return file, size, err
}

// report says in the log that the disk fails, and that it works again.
func (s *store) report(err error) {
	switch {
	case err != nil && !s.told:
		s.told = true
		s.log.Warn("the broker cannot write to the disk: sessions and retained messages of now would not survive a restart; check the disk and its permissions",
			"path", s.path, "error", err)
	case err == nil && s.told:
		s.told = false
		s.log.Info("the broker writes to the disk again", "path", s.path)
	}
}

func (s *store) end() {
	if s.file != nil {
		_ = s.file.Close() // everything is synced
	}
	if s.lock != nil {
		_ = s.lock.Close() // which frees it
	}
}
