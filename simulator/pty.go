package simulator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// OpenPTY adds a new pseudo terminal as a face and returns its path, which other
// programs open as a serial port of any speed. With a link, a symbolic link with
// that path leads to it until the simulator ends; a link that an earlier run left
// behind is replaced, anything else in its place is an error, such as the link of a
// simulator that runs. Linux and macOS only.
func (s *Simulator) OpenPTY(link string) (path string, err error) {
	err = s.add(func() (face, error) {
		master, terminal, err := openPTY()
		if err != nil {
			return nil, fmt.Errorf("cannot create a pseudo terminal: %w", err)
		}
		f := &ptyFace{Simulator: s, master: master, terminal: terminal}
		path = terminal.Name()
		mark(terminal)
		if err := f.setLink(link); err != nil {
			return nil, errors.Join(err, f.close())
		}
		return f, nil
	})
	return path, err
}

// ptyFace holds both ends. While the terminal's end is open here, the other end does
// not fail when a client closes it.
type ptyFace struct {
	*Simulator
	master, terminal *os.File
	link             string // "" = none
}

func (f *ptyFace) setLink(link string) error {
	if link == "" {
		return nil
	}
	old, err := os.Readlink(link)
	switch {
	case err == nil && isTerminal(old) && old != f.terminal.Name() && isMarked(old):
		return fmt.Errorf("cannot link the pseudo terminal at %s: another simulator has its own there; end it, or choose another path", link)
	case err == nil && isTerminal(old):
		if err := os.Remove(link); err != nil {
			return fmt.Errorf("cannot replace the link %s: %w", link, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot link the pseudo terminal at %s: something else is there; remove it or choose another path", link)
	}
	if err := os.Symlink(f.terminal.Name(), link); err != nil {
		return fmt.Errorf("cannot link the pseudo terminal: %w", err)
	}
	f.link = link
	return nil
}

// isTerminal reports whether a path is that of a pseudo terminal.
func isTerminal(path string) bool {
	return filepath.Dir(path) == "/dev/pts" || strings.HasPrefix(path, "/dev/ttys")
}

func (f *ptyFace) serve(ctx context.Context) error {
	if err := f.serveLine(ctx, FacePTY, f.pace(f.master), 0, 0); err != nil {
		return fmt.Errorf("pseudo terminal %s: %w", f.terminal.Name(), err)
	}
	return nil
}

func (f *ptyFace) close() error {
	if now, err := os.Readlink(f.link); err == nil && now == f.terminal.Name() {
		_ = os.Remove(f.link) // a link that stays is replaced by the next run
	}
	_ = f.terminal.Close() // nothing was written through it
	if err := f.master.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func (f *ptyFace) restarted() {}
func (f *ptyFace) kind() kind { return kind{FacePTY, f.lineFraming(), false} }
