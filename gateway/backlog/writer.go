package backlog

import (
	"errors"
	"os"
	"time"
)

// margin is how much larger than Max the file may become: what a transaction writes
// beside what is in use, and holes that no record fits.
const margin = 128 << 10

// attempts is how often a transaction is tried before the disk is left alone.
const attempts = 2

// writer is what belongs to the goroutine that writes.
type writer struct {
	path      string    // "" = memory only
	store     *store    // nil while there is none
	loaded    bool      // the file that lies there was looked at, so that a missing one may be made
	known     int64     // records that the file had when it failed
	last      uint64    // the highest key so far: no key is used twice, not even in another file
	crashed   bool      // bbolt panicked with the file that lies there
	protected uint64    // the highest key of the batch that is being delivered
	held      int64     // records of that batch that are in the file: they are in memory too
	cause     error     // of the last attempt; nil = it was good
	failed    time.Time // when that was; zero = another attempt may be made
	failing   time.Time // since when no attempt was good
	told      bool      // the log says last that the disk cannot be used
	warned    time.Time
}

// limitsOf is what follows from Max.
type limitsOf struct {
	used int64 // bytes of the file that may be in use
	tx   int64 // bytes of records in one transaction
	step int   // bytes by which the file grows
	file int64 // size from which on a file with less in it is made anew
}

// sizes leaves room for what a transaction needs besides the records in it: bbolt
// never overwrites a page that is in use.
func sizes(most int64) limitsOf {
	return limitsOf{
		used: most - most/8,
		tx:   min(max(most/32, 2<<10), 256<<10),
		step: int(min(max(most/32, 4<<10), 1<<20)),
		file: most + margin,
	}
}

func (b *Backlog) sizes() limitsOf {
	b.mu.Lock()
	defer b.mu.Unlock()
	return sizes(b.max)
}

// run owns the file until the backlog is closed.
func (b *Backlog) run() {
	defer close(b.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	armed := true // for the first attempt to open the file
	for {
		select {
		case <-b.stop:
			b.end()
			return
		case do := <-b.requests:
			do()
		case <-b.lazy:
			if !armed {
				timer.Reset(b.lag)
				armed = true
			}
		case <-b.urgent:
			if time.Since(b.writer.failed) >= b.retry {
				_ = b.flush() // it is noted
			}
		case <-b.limits:
			b.fit()
		case <-timer.C:
			armed = false
			if b.flush() != nil {
				timer.Reset(b.retry)
				armed = true
			}
		}
	}
}

// end writes the rest.
func (b *Backlog) end() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	_ = b.flush() // it is noted
	if b.writer.store != nil {
		b.writer.store.close()
	}
}

// flush writes all that waits.
func (b *Backlog) flush() error {
	if b.writer.path == "" {
		return nil
	}
	if err := b.attach(false); err != nil {
		return err
	}
	for failures := 0; ; {
		add := b.take()
		if len(add) == 0 {
			return nil
		}
		if err := b.write(change{add: add}); err == nil {
			failures = 0
		} else if failures++; failures == attempts {
			return b.pause(err)
		}
	}
}

// take takes from what waits as much as one transaction may have.
func (b *Backlog) take() []*item {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.waiting.cost
	b.writing = b.waiting.take(sizes(b.max).tx)
	b.writingCost = before - b.waiting.cost
	return b.writing
}

// write makes one transaction, and drops the oldest for it if need be. After an
// error what it was to add waits again, and the file was opened again if possible:
// another attempt may be good.
func (b *Backlog) write(c change) error {
	w := &b.writer
	err := b.attach(false)
	if err == nil && w.store == nil {
		if w.store, err = b.files().create(); err == nil {
			w.store.last = w.last
		}
	}
	dropped := 0
	if err == nil {
		c.drop, c.above = b.excess(c.add), w.protected
		dropped, err = w.store.apply(c)
	}
	if err != nil {
		b.mu.Lock()
		b.waiting.putBack(b.writing)
		b.writing, b.writingCost = nil, 0
		b.mu.Unlock()
		b.reopen(err)
		return err
	}
	for _, i := range c.add {
		w.hold(i)
	}
	b.mu.Lock()
	b.kept.Dropped.Full += uint64(dropped)
	b.mu.Unlock()
	b.note(nil)
	return nil
}

// hold notes that a record that has come into the file is being delivered.
func (w *writer) hold(i *item) {
	if i.taken {
		w.protected = max(w.protected, i.key)
		w.held++
	}
}

// excess returns what the oldest must give way with, for add to find room, as far
// as one transaction can do that.
func (b *Backlog) excess(add []*item) int64 {
	used, _ := b.writer.store.used()
	used -= b.sizes().used
	most := int64(1 << 20)
	for _, i := range add {
		used += i.cost()
		most += i.cost()
	}
	return min(used, most)
}

// reopen finds out what is in the file after a failure.
func (b *Backlog) reopen(err error) {
	w := &b.writer
	w.forget()
	w.cause, w.failed = err, time.Time{}
	if again := b.open(false); again != nil {
		w.cause, w.failed = again, time.Now()
	}
}

// pause notes that the disk failed, until the next attempt.
func (b *Backlog) pause(err error) error {
	b.writer.failed = time.Now()
	b.note(err)
	b.mu.Lock()
	b.trim()
	b.mu.Unlock()
	return err
}

// reconcile finds out which records that wait are in the file nevertheless: of a
// transaction that failed late.
func (b *Backlog) reconcile() {
	last := uint64(0)
	if b.writer.store != nil {
		last = b.writer.store.last
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var there []*item
	for _, i := range b.waiting.items {
		if i.key != 0 && i.key <= last {
			there = append(there, i)
			b.writer.hold(i)
		} else {
			i.key = 0
		}
	}
	if len(there) > 0 {
		b.waiting.remove(there)
	}
}

func (w *writer) forget() {
	if w.store != nil {
		w.known = max(w.store.count-w.held, 0)
		w.last = max(w.last, w.store.last)
		w.store.close()
		w.crashed = w.crashed || w.store.crash
		w.store = nil
	}
}

func (b *Backlog) files() files {
	return files{path: b.writer.path, step: b.sizes().step, ours: b.writer.crashed}
}

// attach opens the file if it is not open. A missing one is made when there is
// something to write. An attempt that failed is not made again at once.
func (b *Backlog) attach(anew bool) error {
	w := &b.writer
	if w.path == "" || w.store != nil && !anew {
		return nil
	}
	if w.cause != nil && time.Since(w.failed) < b.retry {
		return w.cause
	}
	if w.loaded && w.store == nil && w.cause == nil && w.known == 0 && !anew {
		return nil // there is none
	}
	w.forget()
	err := b.open(anew)
	if err != nil {
		w.failed = time.Now()
	}
	b.note(err)
	return err
}

// open opens the file and counts what is missing in it.
func (b *Backlog) open(anew bool) error {
	w := &b.writer
	found, err := b.files().open(anew)
	var panicked *crash
	w.crashed = err != nil && (w.crashed || errors.As(err, &panicked))
	if err != nil {
		return err
	}
	if found.broken != nil {
		b.log.Warn("the backlog was damaged and is set aside; what is sound in it is kept", "path", found.aside, "error", found.broken)
	}
	lost := int64(found.bad)
	w.store, w.loaded = found.store, true
	if w.store != nil {
		lost = max(lost, w.known-w.store.count)
		wake(b.arrived)
	} else {
		lost = max(lost, w.known)
	}
	w.known = 0
	b.mu.Lock()
	b.kept.Dropped.Disk += uint64(lost)
	b.mu.Unlock()
	b.reconcile()
	if w.store != nil {
		w.store.last = max(w.store.last, w.last)
	}
	return nil
}

// fit drops what is too much in the file, and makes a smaller one if it is too large.
func (b *Backlog) fit() {
	if b.attach(false) != nil {
		return
	}
	for w := &b.writer; w.store != nil && w.store.count > 0 && b.excess(nil) > 0; {
		before := w.store.count
		if err := b.write(change{}); err != nil {
			_ = b.pause(err) // it is noted
			return
		}
		if w.store.count == before {
			break // the rest is being delivered
		}
	}
	b.shrink()
	b.note(b.writer.cause)
}

// shrink removes a large file that is empty, and makes one anew that is too large.
func (b *Backlog) shrink() {
	w := &b.writer
	if w.store == nil {
		return
	}
	info, err := os.Stat(w.path)
	switch limits := b.sizes(); {
	case err != nil:
	case w.store.count == 0 && info.Size() > min(limits.file, 256<<10):
		w.forget()
		if err := b.files().remove(); err != nil {
			b.reopen(err)
		}
	case info.Size() > limits.file:
		if b.attach(true) != nil {
			w.failed = time.Time{}
			_ = b.attach(false) // it is noted
		}
	}
}

// note keeps the result of the last attempt. It tells of the first that failed and
// of the first that works again, but not of every change of a disk that is nearly full.
func (b *Backlog) note(err error) {
	w := &b.writer
	if err == nil {
		w.failing = time.Time{}
	} else if w.failing.IsZero() {
		w.failing = time.Now()
	}
	w.cause = err
	b.mu.Lock()
	b.writing, b.writingCost = nil, 0
	b.kept.Err = err
	b.kept.Count, b.kept.Bytes, b.kept.File = 0, 0, 0
	if w.store != nil {
		b.kept.Count, b.kept.Bytes = w.store.count, w.store.bytes
		if info, err := w.store.file.Stat(); err == nil {
			b.kept.File = info.Size()
		}
	}
	b.mu.Unlock()
	switch {
	case err != nil && !w.told && (w.warned.IsZero() || time.Since(w.warned) >= warnEvery):
		w.told, w.warned = true, time.Now()
		b.log.Warn("the backlog cannot be written: readings that cannot be published wait in memory only; check the disk and its permissions",
			"path", w.path, "error", err)
	case err == nil && w.told:
		w.told = false
		b.log.Info("the backlog is written again", "path", w.path)
	}
}
