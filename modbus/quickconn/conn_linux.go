package quickconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection. As with every [net.Conn], any goroutine may use it.
type Conn struct {
	*net.TCPConn
	raw     syscall.RawConn // nil = it has none, and is used as it is
	in, out call
}

// New returns conn in a form that costs less.
func New(conn *net.TCPConn) *Conn {
	c := &Conn{TCPConn: conn}
	if raw, err := conn.SyscallConn(); err == nil {
		c.raw = raw
	}
	c.in.once = func(fd uintptr) bool { return c.in.do(unix.SYS_READ, fd) }
	c.out.once = func(fd uintptr) bool { return c.out.do(unix.SYS_WRITE, fd) }
	return c
}

// call is a system call for some bytes, and what came of it.
type call struct {
	mu   sync.Mutex
	once func(fd uintptr) bool // reports whether there is nothing to wait for
	b    []byte
	n    int
	fail syscall.Errno
}

func (c *call) do(number, fd uintptr) bool {
	for {
		n, _, fail := unix.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.b))), uintptr(len(c.b)))
		if fail != unix.EINTR {
			c.n, c.fail = int(n), fail
			return fail != unix.EAGAIN
		}
	}
}

// use does the call for b, waiting until it can be done.
func (c *call) use(b []byte, wait func(func(fd uintptr) bool) error) (int, error) {
	c.b = b
	err := wait(c.once)
	c.b = nil
	switch {
	case err != nil:
		return 0, err
	case c.fail != 0:
		return 0, c.fail
	}
	return c.n, nil
}

// Read is that of package net, as are its errors.
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.TCPConn.Read(b)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	n, err := c.in.use(b, c.raw.Read)
	switch {
	case err != nil:
		return 0, c.failed("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write is that of package net, as are its errors.
func (c *Conn) Write(b []byte) (written int, err error) {
	if c.raw == nil {
		return c.TCPConn.Write(b)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for written < len(b) {
		n, err := c.out.use(b[written:], c.raw.Write)
		if err != nil {
			return written, c.failed("write", err)
		}
		written += n
	}
	return written, nil
}

// failed returns an error as package net would.
func (c *Conn) failed(op string, err error) error {
	var number syscall.Errno
	var raw *net.OpError
	switch {
	case errors.As(err, &raw):
		err = raw.Err
	case errors.As(err, &number):
		err = os.NewSyscallError(op, number)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
