package journal

import (
	"container/list"
	"time"
)

// entrySize is about what an entry takes in memory besides its reply.
const entrySize = 320

// entry is one request in memory. The same request may be executed more than once
// at a time if it was made more than once: see [Journal.BeginNew].
type entry struct {
	key       Key
	write     bool
	running   int           // executions that have not ended
	committed int           // how many of them may have left, and so have their intent in the file
	settled   State         // what the executions before came to: New if there were none
	reply     []byte        // of the last one
	wall      int64         // when that was, Unix milliseconds
	expires   time.Time     // Keep after that, by the monotonic clock; counts while nothing runs
	id        uint64        // of its record in the file; 0 = none
	place     *list.Element // in index.reads or index.writes; nil while it runs
}

func (e *entry) state() State {
	if e.running > 0 {
		return Running
	}
	return e.settled
}

func (e *entry) found() Entry {
	if state := e.state(); state != Answered {
		return Entry{State: state}
	}
	return Entry{State: Answered, Reply: e.reply}
}

// durable is what the file has to say, so that it is right if the process dies now.
func (e *entry) durable() State {
	switch {
	case !e.write || e.id == 0:
		return New
	case e.committed > 0:
		return Unknown
	}
	return e.settled
}

func (e *entry) record() record {
	return record{id: e.id, key: e.key, state: e.durable(), wall: e.wall, reply: e.reply}
}

// end ends one execution.
func (e *entry) end() {
	e.running = max(0, e.running-1)
	e.committed = min(e.committed, e.running)
}

// index finds entries by key and keeps to its bounds. What does not run is listed
// in order of its end, oldest first, so that dropping the oldest is cheap.
type index struct {
	entries    map[Key]*entry
	reads      *list.List
	writes     *list.List
	bytes      int
	maxEntries int
	maxBytes   int
	dropped    func(*entry) // called for each entry that the index drops
}

func newIndex(maxEntries, maxBytes int, dropped func(*entry)) *index {
	return &index{
		entries: map[Key]*entry{}, reads: list.New(), writes: list.New(),
		maxEntries: maxEntries, maxBytes: maxBytes, dropped: dropped,
	}
}

// running counts the entries that are being executed.
func (x *index) running() int { return len(x.entries) - x.reads.Len() - x.writes.Len() }

// add puts in a new entry that runs.
func (x *index) add(k Key, write bool) *entry {
	e := &entry{key: k, write: write}
	x.entries[k] = e
	x.bytes += entrySize
	return e
}

// start takes e out of its list.
func (x *index) start(e *entry) {
	if e.place != nil {
		x.list(e).Remove(e.place)
		e.place = nil
	}
}

// rest lists e as the newest of what does not run, and drops what is too much.
func (x *index) rest(e *entry) {
	e.place = x.list(e).PushBack(e)
	x.trim()
}

func (x *index) setReply(e *entry, reply []byte) {
	x.bytes += len(reply) - len(e.reply)
	e.reply = reply
}

func (x *index) list(e *entry) *list.List {
	if e.write {
		return x.writes
	}
	return x.reads
}

// expire drops what has lived long enough.
func (x *index) expire(now time.Time) {
	for _, l := range []*list.List{x.reads, x.writes} {
		for e := oldest(l); e != nil && !now.Before(e.expires); e = oldest(l) {
			x.drop(e)
		}
	}
}

// trim drops the oldest beyond the bounds: reads first, because a read that is
// executed again harms nobody. The newest write stays, however large its reply.
func (x *index) trim() {
	for len(x.entries) > x.maxEntries || x.bytes > x.maxBytes {
		e := oldest(x.reads)
		if e == nil && x.writes.Len() > 1 {
			e = oldest(x.writes)
		}
		if e == nil {
			return
		}
		x.drop(e)
	}
}

func (x *index) drop(e *entry) {
	x.start(e)
	delete(x.entries, e.key)
	x.bytes -= entrySize + len(e.reply)
	x.dropped(e)
}

func oldest(l *list.List) *entry {
	if front := l.Front(); front != nil {
		return front.Value.(*entry)
	}
	return nil
}
