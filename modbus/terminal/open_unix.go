//go:build linux || darwin

package terminal

import (
	"errors"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// open returns both ends of a new pseudo terminal in raw mode.
func open() (master, terminal *os.File, err error) {
	blocking, terminal, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	if err := makeRaw(terminal); err != nil {
		return nil, nil, errors.Join(err, terminal.Close())
	}
	master, err = pollable(blocking)
	if err != nil {
		return nil, nil, errors.Join(err, terminal.Close())
	}
	return master, terminal, nil
}

// pollable returns a file of its own for the same end, which a Close or a deadline
// can wake: the one that was opened blocks.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// makeRaw has all bytes pass as they are, both ways, without echo.
func makeRaw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(int(f.Fd()), setTermios, t)
}

// marks returns the lock of a byte that nobody else would lock: while it is locked,
// the terminal is in use.
func marks() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK, Start: 0x6D6F64, Len: 1} }

// mark lets others know that a terminal is in use. Clients may lock the
// terminal as they do, with flock or TIOCEXCL.
func mark(f *os.File) {
	_ = unix.FcntlFlock(f.Fd(), setLock, marks()) // without it, another process may take the link
}

// isMarked reports whether the terminal at a path is in use. One that
// may not be opened is someone's, too.
func isMarked(path string) bool {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EBUSY)
	}
	defer func() { _ = unix.Close(fd) }() // it was only looked at
	err = unix.FcntlFlock(uintptr(fd), setLock, marks())
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES)
}
