// Package trace shows what passes on the lines: each transaction with its frames, who
// asked, how long it took and what became of it.
//
// A [Recorder] keeps the last transactions of one bus, a bounded number of bytes of them,
// so that who looks sees what was just before. Nobody looking, recording a transaction
// copies its frames and allocates nothing. Each [Watcher] has a bounded queue; what does
// not fit is dropped and counted, so that no watcher can hold up a line.
//
// Frames are shown as the gateway sent them to the line's transport and as that took
// the reply: bytes that the transport discards as noise, and the transaction ids that
// it gives to Modbus TCP frames, are not in them.
package trace
