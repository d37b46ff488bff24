package journal

import "time"

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
