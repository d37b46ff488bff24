package journal

import (
	"fmt"
	"time"
)

// State is what the journal knows of a request.
type State byte

// The states. Only Answered and Unknown are kept over a restart.
const (
	New      State = iota // not seen before, or forgotten: execute it
	Running               // being executed: drop the duplicate, the one reply answers both
	Answered              // executed: its reply is known, send it again
	Unknown               // may have been executed by a process that died: say so, do not execute it
)

func (s State) String() string {
	if names := []string{"new", "running", "answered", "unknown"}; int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", byte(s))
}

// Entry is what [Journal.Begin] found.
type Entry struct {
	State State
	Reply []byte // if Answered; empty = it has none, as a broadcast; must not be changed
}

// Degraded reports whether the journal was meant to be on disk and the last attempt
// to write failed: until one succeeds a restart does not know of the writes made now.
func (j *Journal) Degraded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure != nil
}

// Status is what a journal has at the moment.
type Status struct {
	Entries   int    // requests that are remembered, those that run too
	Running   int    // of those, the ones that are being executed
	Bytes     int    // about the memory they take
	Undurable uint64 // how often Commit has failed
}

// Status returns the figures of now.
func (j *Journal) Status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.index.expire(time.Now())
	return Status{Entries: len(j.index.entries), Running: j.index.running(), Bytes: j.index.bytes, Undurable: j.undurable}
}
