package backlog

// Stats is what a backlog has at the moment, and what became of the rest since it
// was opened.
type Stats struct {
	Count    int64 // records in the file, synced
	Bytes    int64 // in those
	Waiting  int   // records that are only in memory
	File     int64 // size of the file in bytes; 0 = there is none
	Dropped  Dropped
	Replayed uint64 // records that were delivered
	Err      error  // why the disk is not used at the moment; nil = it is, or is not meant to be
}

// Dropped counts the records that were given up, by reason.
type Dropped struct {
	Full   uint64 // Max was reached, or the record alone is too large for it
	Disk   uint64 // the disk failed or was full, or what was on it is damaged or gone
	Memory uint64 // they came faster than the disk is, or after Close
}

// Total is all of them.
func (d Dropped) Total() uint64 { return d.Full + d.Disk + d.Memory }

// Stats returns the figures of now.
func (b *Backlog) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.kept
	s.Waiting = len(b.waiting.items) + len(b.writing)
	return s
}
