package mqtt

import (
	"net"
	"syscall"

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
}

func (q *quickAck) use(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	q.raw = raw
	q.set = func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
}

func (q *quickAck) acknowledge() {
	if q.raw != nil {
		_ = q.raw.Control(q.set)
	}
}
