package backlog

import (
	"log/slog"
	"slices"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/store"
)

// tellEvery is the time between two lines of the log about records that were dropped.
const tellEvery = time.Minute

// attempts is how often a transaction is tried before the disk is left alone.
const attempts = 2

// writer is what belongs to the goroutine that writes.
type writer struct {
	place     store.Place      // its path is "" for memory only
	file      *store.File      // nil while there is none
	loaded    bool             // the file that lies there was looked at, so that a missing one may be made
	absent    bool             // there is no file, as was found last: nothing older than what waits
	known     int64            // records that the file had when it failed
	last      uint64           // the highest key before this file: no key is used twice, not even in another file
	protected uint64           // the highest key of the batch that is being delivered
	held      int64            // records of that batch that are in the file: they are in memory too; and what is owed
	owed      map[uint64]int64 // cost, by key, of records that were delivered, and that the disk did not let go; b.mu is held for changes
	begins    uint64           // all with keys below are owed
	reached   uint64           // what begins is when the batch is delivered
	cause     error            // of the last attempt; nil = it was good
	failed    time.Time        // when that was; zero = another attempt may be made
	failing   time.Time        // since when no attempt was good
	notice    store.Notice
	told      uint64    // how many dropped records the log knows of
	toldAt    time.Time // zero = of none
}

func (w *writer) begin(path string, log *slog.Logger) {
	w.owed = map[uint64]int64{}
	w.place = store.Place{Path: path, Bucket: bucketName, Asides: 1} // it may be large
	w.notice = store.Notice{
		Log: log, Path: path,
		Fails: "the backlog cannot be written: readings that cannot be published wait in memory only; check the disk and its permissions",
		Works: "the backlog is written again",
	}
}

// run owns the file until the backlog is closed.
func (b *Backlog) run() {
	defer b.owner.Ended()
	timer := time.NewTimer(0)
	defer timer.Stop()
	armed := true // for the first attempt to open the file
	for {
		select {
		case <-b.owner.Stop():
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
			if time.Since(b.writer.toldAt) >= tellEvery {
				b.tell()
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
	b.tell()
	if b.writer.file != nil {
		_ = b.writer.file.Close() // everything is synced
	}
}

// tell tells the log how many records were dropped since it was told last.
func (b *Backlog) tell() {
	w := &b.writer
	s := b.Stats()
	if all := s.Dropped.Total(); all > w.told {
		b.log.Warn("readings that could not be published are lost: the oldest gave way", "dropped", all-w.told, "waiting", s.Waiting, "kept", s.Count)
		w.told, w.toldAt = all, time.Now()
	}
}

// flush writes all that waits.
func (b *Backlog) flush() error {
	if b.writer.place.Path == "" {
		return nil
	}
	if err := b.attach(false); err != nil {
		return err
	}
	for failures := 0; ; {
		add := b.take()
		if len(add) == 0 && b.writer.cause == nil && len(b.writer.owed) == 0 {
			return nil
		}
		// Without anything to add it finds out whether the disk that has failed works again.
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
	if err == nil && w.file == nil {
		w.file, _, err = b.place().Replace(nil, nil)
	}
	dropped := 0
	if err == nil {
		c.owed = w.some()
		c.drop, c.above, c.last = b.excess(c.add)-w.cost(c.owed), w.protected, w.last
		if len(c.owed) > 0 && len(c.add) == 0 || len(w.owed) > message.MaxHistory {
			c.drop = 0 // what was delivered gives way first
		}
		dropped, err = c.apply(w.file)
	}
	if err != nil {
		b.mu.Lock()
		b.waiting.putBack(c.add)
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
	b.writing, b.writingCost = nil, 0
	for _, key := range c.owed {
		delete(w.owed, key)
	}
	b.count()
	b.mu.Unlock()
	b.note(nil)
	return nil
}

// some returns what is owed, as far as one transaction should delete it.
func (w *writer) some() (keys []uint64) {
	const most = 10_000
	for key := range w.owed {
		if keys = append(keys, key); len(keys) == most {
			break
		}
	}
	slices.Sort(keys)
	return keys
}

// cost returns what some of what is owed takes in the file.
func (w *writer) cost(keys []uint64) (sum int64) {
	for _, key := range keys {
		sum += w.owed[key]
	}
	return sum
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
	used := b.writer.file.Used() - b.sizes().used
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

// note keeps the result of the last attempt, and tells the log.
func (b *Backlog) note(err error) {
	w := &b.writer
	if err == nil {
		w.failing = time.Time{}
	} else if w.failing.IsZero() {
		w.failing = time.Now()
	}
	w.cause = err
	if err != nil {
		wake(b.lazy) // another attempt is to be made, also if nothing comes
	}
	b.mu.Lock()
	b.kept.Err = err
	b.count()
	b.mu.Unlock()
	w.notice.Note(err)
}

// count keeps what is in the file. b.mu is held.
func (b *Backlog) count() {
	b.kept.Count, b.kept.Bytes, b.kept.File = 0, 0, 0
	if w := &b.writer; w.file != nil {
		has := w.file.Contents()
		b.kept.Count, b.kept.Bytes, b.kept.File = max(has.Count-int64(len(w.owed)), 0), has.Bytes, w.file.Size()
	}
}
