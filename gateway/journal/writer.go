package journal

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"modferry/gateway/store"
)

const (
	fileName = "journal.db"
	asides   = 3 // files that were set aside, beyond which the oldest go

	lag      = 50 * time.Millisecond // how long a reply may wait for others before it is written
	reattach = 10 * time.Second      // between attempts to begin a file anew
)

// writer is what belongs to the goroutine that writes, or to Open before that.
type writer struct {
	place  store.Place
	file   *store.File // nil while there is none
	cause  error       // why there is none
	behind bool        // the file lacks more than what is dirty, or there is none: it must be begun anew
	loaded bool        // what the file had is in the index
	broken error       // what is wrong with the file that lies there; it is to be set aside
	failed time.Time   // when it could not be begun anew
	notice store.Notice
}

func (w *writer) begin(path string, log *slog.Logger) {
	w.place = store.Place{Path: path, Bucket: bucketName, Asides: asides}
	w.notice = store.Notice{
		Log: log, Path: path,
		Fails: "the journal cannot be written: a restart will not know of the writes made now; check the disk and its permissions",
		Works: "the journal is written again",
	}
}

// run writes what becomes dirty until the journal is closed. A transaction that
// somebody waits for begins at once; what comes meanwhile is in the next one.
func (j *Journal) run() {
	defer j.owner.Ended()
	for {
		select {
		case <-j.owner.Stop():
			j.end()
			return
		case <-j.urgent:
		case <-j.lazy:
			j.linger()
		}
		j.flush()
	}
}

// linger gives further changes the time to come along.
func (j *Journal) linger() {
	timer := time.NewTimer(lag)
	defer timer.Stop()
	select {
	case <-j.urgent:
	case <-j.owner.Stop():
	case <-timer.C:
	}
}

func (j *Journal) end() {
	j.flush()
	if j.writer.file != nil {
		_ = j.writer.file.Close() // everything is synced
	}
}

// flush writes all changes in one transaction and tells those who wait for it.
func (j *Journal) flush() {
	j.mu.Lock()
	batch, changes, waiters := j.dirty, j.changes(), j.waiters
	j.dirty, j.waiters = map[uint64]*entry{}, nil
	j.mu.Unlock()
	if len(changes) == 0 && !j.writer.behind {
		return // nobody waits without a change
	}
	err := j.write(changes)
	if err != nil && !j.writer.behind {
		j.putBack(batch)
	}
	j.note(err)
	for _, w := range waiters {
		w <- err
	}
}

// changes returns what is dirty in order of the records. j.mu is held.
func (j *Journal) changes() []change {
	changes := make([]change, 0, len(j.dirty))
	for id, e := range j.dirty {
		c := change{id: id}
		if e != nil && e.durable() != New {
			c.data = e.record().data()
		}
		changes = append(changes, c)
	}
	sortChanges(changes)
	return changes
}

// putBack makes dirty again what could not be written, where nothing newer is.
// Beyond a bound all of it is given up: to begin the file anew is then less work.
func (j *Journal) putBack(batch map[uint64]*entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, e := range batch {
		if _, newer := j.dirty[id]; !newer {
			j.dirty[id] = e
		}
	}
	if len(j.dirty) > 2*j.o.MaxEntries {
		j.dirty, j.writer.behind = map[uint64]*entry{}, true
	}
}

// write makes one transaction. When it fails the file is begun anew, now and then.
func (j *Journal) write(changes []change) error {
	w := &j.writer
	if w.file != nil && !w.behind {
		if w.cause = write(w.file, changes); w.cause == nil {
			return nil
		}
		if !w.file.Usable() {
			w.file, w.behind = nil, true
		}
	}
	if time.Since(w.failed) < reattach {
		return w.cause
	}
	return j.attach()
}

// attach takes over what an earlier process left, once, and replaces it by a fresh
// file that has all that must be in it.
func (j *Journal) attach() error {
	w := &j.writer
	next, err := j.anew()
	if err != nil {
		w.failed, w.cause, w.behind = time.Now(), err, w.behind || w.file == nil
		return err
	}
	if w.file != nil {
		_ = w.file.Close() // it has failed before
	}
	w.file, w.behind = next, false
	return nil
}

func (j *Journal) anew() (*store.File, error) {
	w := &j.writer
	if !w.loaded {
		records, broken, err := load(&w.place)
		if err != nil {
			return nil, err
		}
		j.restore(records)
		w.loaded, w.broken = true, broken
	}
	next, aside, err := w.place.Replace(w.broken, func(f *store.File) error { return write(f, j.records()) })
	if aside != "" {
		j.log.Warn("the journal was damaged and is set aside; what is sound in it is kept", "path", aside, "error", w.broken)
		w.broken = nil
	}
	return next, err
}

// restore puts what the file had into the index. Its records get new ids; the fresh file has them under those.
func (j *Journal) restore(records []record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, wall := time.Now(), j.o.Now().UnixMilli()
	for _, r := range newest(records) {
		left := j.left(r, wall)
		if j.index.entries[r.key] != nil || left <= 0 {
			continue
		}
		e := j.index.add(r.key, true)
		e.id, e.settled, e.wall, e.expires = j.nextID(), r.state, r.wall, now.Add(left)
		j.index.setReply(e, r.reply)
		j.index.rest(e)
	}
}

// left is how long a record from an earlier process still counts. The age of an
// intent is not asked for, nor a time to come believed: no step of the clock makes
// a write whose outcome is unknown look old, and none makes anything last.
func (j *Journal) left(r record, wall int64) time.Duration {
	if r.state == Unknown || r.wall > wall {
		return j.o.Keep
	}
	age := wall - r.wall
	if age < 0 || age >= j.o.Keep.Milliseconds() { // below 0: the difference does not fit
		return 0
	}
	return j.o.Keep - time.Duration(age)*time.Millisecond
}

// newest returns the newest record of each request, in order of their ids. There
// is only one unless the file was damaged.
func newest(records []record) []record {
	slices.SortFunc(records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(b.state, a.state)) // a reply comes after its intent
	})
	seen := make(map[Key]bool, len(records))
	var kept []record
	for _, r := range slices.Backward(records) {
		if !seen[r.key] {
			seen[r.key] = true
			kept = append(kept, r)
		}
	}
	slices.Reverse(kept)
	return kept
}

// records returns all that the file has to say, in order.
func (j *Journal) records() []change {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []change
	for _, e := range j.index.entries {
		if e.durable() != New {
			all = append(all, change{id: e.id, data: e.record().data()})
		}
	}
	sortChanges(all)
	return all
}

func sortChanges(c []change) {
	slices.SortFunc(c, func(a, b change) int { return cmp.Compare(a.id, b.id) })
}

// note keeps the result of the last attempt to write, and tells the log.
func (j *Journal) note(err error) {
	j.mu.Lock()
	j.failure = err
	j.mu.Unlock()
	j.writer.notice.Note(err)
}
