package mqtt

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quickAck acknowledges received bytes at once. A broker that leaves Nagle's algorithm
// on, as mosquitto does by default, holds a small packet back until the one before it
// is acknowledged, and Linux delays acknowledgements by 40 ms: a PUBLISH that follows a
// PUBACK or PUBCOMP would come that much later. TCP_QUICKACK is not permanent
// [tcp(7)], so it is set after each read.
type quickAck struct {
	raw syscall.RawConn // nil = not used
	set func(fd uintptr)
	on  int32 // what it is set to
}

func (q *quickAck) use(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	q.raw = raw
	q.on = 1
	q.set = func(fd uintptr) { // the scheduler does not hear of the call: see package quickconn
		_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, uintptr(unsafe.Pointer(&q.on)), unsafe.Sizeof(q.on), 0)
	}
}

func (q *quickAck) acknowledge() {
	if q.raw != nil {
		_ = q.raw.Control(q.set)
	}
}
