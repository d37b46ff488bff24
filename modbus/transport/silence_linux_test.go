package transport

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// blackhole makes a socket's system drop what comes for it, unread and
// unacknowledged, as a cut cable does. The returned func mends it.
func blackhole(t *testing.T, socket any) (mend func()) {
	t.Helper()
	control := func(do func(fd int) error) {
		raw, err := socket.(interface {
			SyscallConn() (syscall.RawConn, error)
		}).SyscallConn()
		if err == nil {
			_ = raw.Control(func(fd uintptr) { err = do(int(fd)) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
	return func() {
		control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
	}
}

// A server that is cut off without a word: the error comes at the timeout, the first
// one ends the connection, and the bus is back within a second of the server's return.
func TestRow11Blackhole(t *testing.T) {
	const long = 800 * time.Millisecond
	for name := range lines("", 0) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := make(chan net.Conn, 10)
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				served <- conn
				serveEither(name)(conn)
			})
			line := lines(server.address(), long)[name]
			defer line.Close()
			if err := sendOne(line, 1, 1); err != nil {
				t.Fatal(err)
			}
			mendServer := blackhole(t, server.Listener)
			blackhole(t, <-served)

			start := time.Now()
			wantKind(t, sendOne(line, 1, 2), Timeout, true)
			if took := time.Since(start); took > long+200*time.Millisecond {
				t.Errorf("the error came after %v", took)
			}
			if !idleLost(line) {
				t.Error("the connection is kept, although the server's system acknowledged nothing")
			}
			wantKind(t, sendOne(line, 1, 3), Unavailable, false)
			mendServer()
			eventually(t, time.Second, "the bus is back", func() bool { return sendOne(line, 1, 4) == nil })
		})
	}
}
