package backlog

import (
	"os"
	"time"

	"modferry/gateway/store"
)

const (
	fileName   = "backlog.db"
	bucketName = "readings.1"
)

// margin is how much larger than Max the file may become: what a transaction writes
// beside what is in use, and holes that no record fits.
const margin = 128 << 10

// limitsOf is what follows from Max.
type limitsOf struct {
	used int64 // bytes of the file that may be in use
	tx   int64 // bytes of records in one transaction
	step int   // bytes by which the file grows
	file int64 // size from which on a file with less in it is made anew
}

// sizes leaves room for what a transaction needs besides the records in it: the store
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

// reconcile finds out which records that wait are in the file nevertheless: of a
// transaction that failed late.
func (b *Backlog) reconcile() {
	last := uint64(0)
	if b.writer.file != nil {
		last = b.writer.file.Contents().Last
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
	if w.file != nil {
		had := w.file.Contents()
		w.known = max(had.Count-w.held, 0)
		w.last = max(w.last, had.Last)
		_ = w.file.Close() // it is inspected before it is used again
		w.file = nil
	}
}

func (b *Backlog) place() *store.Place {
	b.writer.place.Step = b.sizes().step
	return &b.writer.place
}

// attach opens the file if it is not open. A missing one is made when there is
// something to write. An attempt that failed is not made again at once.
func (b *Backlog) attach(anew bool) error {
	w := &b.writer
	if w.place.Path == "" || w.file != nil && !anew {
		return nil
	}
	if w.cause != nil && time.Since(w.failed) < b.retry {
		return w.cause
	}
	if w.loaded && w.file == nil && w.cause == nil && w.known == 0 && !anew {
		return nil // there is none
	}
	w.forget()
	if err := b.open(anew); err != nil {
		w.failed = time.Now()
		b.note(err)
		return err
	}
	b.note(w.cause) // that it can be opened does not mean that it can be written: a transaction tells
	return nil
}

// open opens the file and counts what is missing in it.
func (b *Backlog) open(anew bool) error {
	w := &b.writer
	w.absent = false
	file, found, err := b.place().Open(anew)
	if err != nil {
		return err
	}
	if found.Damage != nil {
		b.log.Warn("the backlog was damaged and is set aside; what is sound in it is kept", "path", found.Aside, "error", found.Damage)
	}
	left := int64(0)
	if file != nil {
		left = file.Contents().Count
		wake(b.arrived)
	}
	lost := max(int64(found.Unsound), w.known-left)
	w.file, w.loaded, w.absent, w.known = file, true, file == nil, 0
	b.mu.Lock()
	b.kept.Dropped.Disk += uint64(lost)
	b.mu.Unlock()
	b.reconcile()
	return nil
}

// fit drops what is too much in the file, and makes a smaller one if it is too large.
func (b *Backlog) fit() {
	if b.attach(false) != nil {
		return
	}
	for w := &b.writer; w.file != nil && w.file.Contents().Count > 0 && b.excess(nil) > 0; {
		before := w.file.Contents().Count
		if err := b.write(change{}); err != nil {
			_ = b.pause(err) // it is noted
			return
		}
		if w.file.Contents().Count == before {
			break // the rest is being delivered
		}
	}
	b.shrink()
	b.note(b.writer.cause)
}

// shrink removes a large file that is empty, and makes one anew that is too large.
func (b *Backlog) shrink() {
	w := &b.writer
	if w.file == nil {
		return
	}
	info, err := os.Stat(w.place.Path)
	switch limits := b.sizes(); {
	case err != nil:
	case w.file.Contents().Count == 0 && info.Size() > min(limits.file, 256<<10):
		w.forget()
		w.absent = true
		if err := w.place.Remove(); err != nil {
			b.reopen(err)
		}
	case info.Size() > limits.file:
		if b.attach(true) != nil {
			w.failed = time.Time{}
			_ = b.attach(false) // it is noted
		}
	}
}
