//go:build unix

package screen

import (
	"os"

	"golang.org/x/term"
)

// listen takes keys one by one, without their being shown.
func (s *Screen) listen() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return // nobody is there
	}
	raw, err := tty.SyscallConn() // Fd would have Close wait for a key
	if err != nil {
		_ = tty.Close()
		return
	}
	var before *term.State
	if failed := raw.Control(func(fd uintptr) { before, err = term.MakeRaw(int(fd)) }); failed != nil || err != nil {
		_ = tty.Close()
		return
	}
	s.tty = tty
	s.restore = func() {
		_ = raw.Control(func(fd uintptr) { _ = term.Restore(int(fd), before) }) // the terminal is gone
	}
	s.reading.Go(s.read)
}
