// Package backlog keeps readings that were taken while the broker was away, and
// hands them over later: in order, in batches, at a bounded rate.
//
// Terms. A record is one encoded reading. It is kept once its transaction is synced;
// before that it waits in memory. A batch is what one message on P/history carries.
//
//	Add      in memory, at once    never waits for the disk, never fails
//	Replay   deliver, then delete  one batch at a time, the oldest first
//
// What is lost. A record that waits is written within a second, together with all
// that came meanwhile: a kill or a power cut loses at most the last second. What
// finds no room drives out the oldest; [Stats].Dropped says how many and why.
//
// What comes twice. A batch is deleted, in a synced transaction, when it was
// delivered, and then the next one is begun. A kill between those two repeats that
// one batch. A disk that is full or fails may not let it be deleted: the next ones are
// delivered all the same, and a kill repeats those, too. When all in the file is
// delivered the file is removed, which needs no room. A batch whose delivery failed is tried again as it was. Within
// one process no record is delivered again once it was delivered.
//
// Limits. The file backlog.db grows to at most [Options].Max and 128 KiB; it is
// removed when it is empty again, if it had become large. Memory does not grow with
// it: at most 1 MiB of records wait, and the file is looked at in parts. Without a
// directory up to 4 MiB of records are in memory, and nowhere else.
//
// The file is one of package store, used by one goroutine. A damaged or foreign file
// is set aside as backlog.db.broken-<time>; the records in it that are sound are
// kept. After any failure the file is inspected again.
package backlog
