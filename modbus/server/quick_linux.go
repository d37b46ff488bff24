package server

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quickConn is a TCP connection whose reads and writes the scheduler does not hear of:
// on a socket that does not block they are over before it could do anything about it.
// Waiting is still the runtime's. One goroutine reads and writes.
type quickConn struct {
	net.Conn
	raw         syscall.RawConn
	read, write func(fd uintptr) bool // report whether there is nothing to wait for

	b    []byte // what is read into or written, of the call that runs
	n    int
	fail syscall.Errno
}

// quick returns conn in a form that costs less, if there is one.
func quick(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	q := &quickConn{Conn: conn, raw: raw}
	q.read = func(fd uintptr) bool { return q.call(unix.SYS_READ, fd) }
	q.write = func(fd uintptr) bool { return q.call(unix.SYS_WRITE, fd) }
	return q
}

// call does one system call for the bytes of q.
func (q *quickConn) call(number, fd uintptr) bool {
	for {
		n, _, fail := unix.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(q.b))), uintptr(len(q.b)))
		if fail != unix.EINTR {
			q.n, q.fail = int(n), fail
			return fail != unix.EAGAIN
		}
	}
}

func (q *quickConn) Read(b []byte) (int, error) {
	q.b = b
	err := q.raw.Read(q.read)
	switch {
	case err != nil:
		return 0, err
	case q.fail != 0:
		return 0, os.NewSyscallError("read", q.fail)
	case q.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return q.n, nil
}

func (q *quickConn) Write(b []byte) (int, error) {
	for written := 0; ; written += q.n {
		if written == len(b) {
			return written, nil
		}
		q.b = b[written:]
		if err := q.raw.Write(q.write); err != nil {
			return written, err
		}
		if q.fail != 0 {
			return written, os.NewSyscallError("write", q.fail)
		}
	}
}
