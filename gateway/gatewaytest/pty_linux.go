package gatewaytest

import (
	"io"
	"os"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// PTYPair returns the paths of two linked pseudo terminals: what is written to one
// can be read from the other, as with two serial ports and a null modem cable. They
// have no line speed, and last until the test ends.
func PTYPair(t testing.TB) (a, b string) {
	t.Helper()
	first, a := openPTY(t)
	second, b := openPTY(t)
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(first, second) }) // ends when the terminals are closed
	copying.Go(func() { _, _ = io.Copy(second, first) })
	t.Cleanup(func() {
		_ = first.Close()
		_ = second.Close()
		copying.Wait()
	})
	return a, b
}

// openPTY returns the control side of a raw pseudo terminal, and the path of the other side.
func openPTY(t testing.TB) (*os.File, string) {
	t.Helper()
	control, line, err := pty.Open()
	if err != nil {
		t.Fatalf("no pseudo terminal: %v", err)
	}
	defer control.Close()
	// Kept open: the control side cannot be read while nobody has the other side open.
	t.Cleanup(func() { _ = line.Close() })
	if err := makeRaw(line); err != nil {
		t.Fatalf("cannot configure %s: %v", line.Name(), err)
	}
	waiting, err := nonblocking(control)
	if err != nil {
		t.Fatalf("cannot configure %s: %v", control.Name(), err)
	}
	return waiting, line.Name()
}

// nonblocking returns f as a file whose Close ends a Read that waits.
func nonblocking(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func makeRaw(line *os.File) error {
	raw, err := line.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		var mode *unix.Termios
		if mode, inner = unix.IoctlGetTermios(int(fd), unix.TCGETS); inner != nil {
			return
		}
		mode.Iflag = 0
		mode.Oflag = 0
		mode.Lflag = 0
		mode.Cflag = mode.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CREAD | unix.CLOCAL
		mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
		inner = unix.IoctlSetTermios(int(fd), unix.TCSETS, mode)
	})
	if err != nil {
		return err
	}
	return inner
}
