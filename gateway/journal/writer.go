package journal

import (
	"cmp"
	"slices"
	"time"
)

const (
	lag          = 50 * time.Millisecond // how long a reply may wait for others before it is written
	reattach     = 10 * time.Second      // between attempts to begin a file anew
	warnEvery    = time.Minute           // between two warnings, with something better between them
	closeTimeout = 5 * time.Second       // for the last transaction
)

// writer is what belongs to the goroutine that writes, or to Open before that.
type writer struct {
	path   string
	store  *store    // nil while there is none
	cause  error     // why there is none
	behind bool      // the file lacks more than what is dirty, or there is none: it must be begun anew
	loaded bool      // what the file had is in the index
	broken error     // what is wrong with the file that lies there; it is to be set aside
	failed time.Time // when it could not be begun anew
	told   bool      // the log says last that the file cannot be written
	warned time.Time // when it said so
}

// change is a record to write, or to delete if it has no value.
type change struct {
	id    uint64
	value []byte
}

// run writes what becomes dirty until the journal is closed. A transaction that
// somebody waits for begins at once; what comes meanwhile is in the next one.
func (j *Journal) run() {
	defer close(j.done)
	for {
		select {
		case <-j.stop:
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
	case <-j.stop:
	case <-timer.C:
	}
}

func (j *Journal) end() {
	j.flush()
	if j.writer.store != nil {
		_ = j.writer.store.close() // everything is synced
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
			c.value = e.record().value()
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
	if w.store != nil && !w.behind {
		if w.cause = w.store.apply(changes); w.cause == nil {
			return nil
		}
		if w.store.lost {
			w.store, w.behind = nil, true
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
		w.failed, w.cause, w.behind = time.Now(), err, w.behind || w.store == nil
		return err
	}
	if w.store != nil {
		_ = w.store.close() // it has failed before
	}
	w.store, w.behind = next, false
	return nil
}

func (j *Journal) anew() (*store, error) {
	w := &j.writer
	if !w.loaded {
		records, broken, err := load(w.path)
		if err != nil {
			return nil, err
		}
		j.restore(records)
		w.loaded, w.broken = true, broken
	}
	if err := writeFile(fresh(w.path), j.records()); err != nil {
		return nil, err
	}
	if w.broken != nil {
		aside, err := setAside(w.path, j.o.Now())
		if err != nil {
			return nil, err
		}
		j.log.Warn("the journal was damaged and is set aside; what is sound in it is kept", "path", aside, "error", w.broken)
		w.broken = nil
	}
	next, err := takePlace(w.path)
	if err != nil && w.store != nil {
		_ = w.store.close() // its file may have no name any more
		w.store = nil
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
			all = append(all, change{id: e.id, value: e.record().value()})
		}
	}
	sortChanges(all)
	return all
}

func sortChanges(c []change) {
	slices.SortFunc(c, func(a, b change) int { return cmp.Compare(a.id, b.id) })
}

// note keeps the result of the last attempt to write. It tells of the first that
// failed and of the first that works again, but not of every change of a disk that
// is nearly full.
func (j *Journal) note(err error) {
	j.mu.Lock()
	j.failure = err
	j.mu.Unlock()
	w := &j.writer
	switch {
	case err != nil && !w.told && (w.warned.IsZero() || time.Since(w.warned) >= warnEvery):
		w.told, w.warned = true, time.Now()
		j.log.Warn("the journal cannot be written: a restart will not know of the writes made now; check the disk and its permissions",
			"path", w.path, "error", err)
	case err == nil && w.told:
		w.told = false
		j.log.Info("the journal is written again", "path", w.path)
	}
}
