// Package store is a file of records that survives kills, power cuts and full disks,
// and says so when it cannot.
//
// Terms. A record is bytes under a key, a number from 1 on; a checksum covers both.
// A [Place] is where the file lies, whether there is one or not. A [File] is open. A
// transaction is made by [File.Update]: when that returns without an error all of it
// is on the disk, and a kill before that leaves all of it or nothing.
//
// What goes wrong, and what then is:
//
//	a damaged or foreign file   set aside as <name>.broken-<time>; sound records go on in a fresh one
//	a removed or replaced file  the next transaction fails, the File is of no more use
//	a full or failing disk      the transaction fails, the file that lies there stays as it was
//	another process             [ErrInUse]
//
// A file that an earlier process left is inspected page by page before the database
// gets to see it: the database, bbolt, trusts its file, and panics where nobody can
// catch it. A fresh file is written under another name until it is complete; a file
// of the right name is always whole.
//
// A Place with its File belongs to one goroutine; an [Owner] is how that one ends.
package store
