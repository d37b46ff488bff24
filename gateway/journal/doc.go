// Package journal remembers requests and their replies, so that a request that is
// delivered again is answered, not executed again.
//
// Terms. A request is known by its [Key]. Its intent says that its frame may have
// left; it is on disk before the frame leaves. Its reply ends the execution. An
// intent without a reply that a process left behind is a request whose outcome is
// unknown: it is told so, and never executed again.
//
// A request goes this way:
//
//	Begin   in memory, at once       may be called where nothing may block
//	Commit  waits for the disk       writes only, just before the frame leaves
//	Finish  in memory, at once       the reply reaches the disk within some 50 ms
//	Forget  in memory, at once       instead of Finish, if the frame never left
//
// What a kill at any moment leaves for a write that is delivered again: before
// Commit has returned it is New or Unknown; from then on it is Unknown until its
// reply is on disk, and Answered from then on.
//
// Limits. Reads are kept in memory only. An entry lives for [Options].Keep after
// its reply, measured by a clock that no clock step moves; over a restart by the
// wall clock, where an implausible age protects rather than exposes a write whose
// outcome is unknown. More than MaxEntries or MaxBytes drives out the oldest
// reads, then the oldest writes, but nothing that is being executed. One process
// uses a directory at a time. A damaged file loses what is damaged of it.
//
// The file is one of package store, written by one goroutine: the writes of all buses
// that wait at the same time share a transaction. A file that an earlier process
// left is read and then replaced by a fresh one.
package journal
