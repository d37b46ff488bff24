// Package terminal makes pseudo terminals: lines that other programs open as serial
// ports of any speed. Linux and macOS only.
package terminal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Terminal is our end of a new pseudo terminal. It holds the other end, too: while
// that is open here, ours does not fail when a client closes it.
type Terminal struct {
	*os.File
	other *os.File
	link  string // "" = none
}

// Open makes a terminal. With a link, a symbolic link with that path leads to it until
// it is closed; a link that an earlier run left behind is replaced, anything else in its
// place is an error, such as the link of a program that runs.
func Open(link string) (*Terminal, error) {
	master, other, err := open()
	if err != nil {
		return nil, fmt.Errorf("cannot create a pseudo terminal: %w", err)
	}
	t := &Terminal{File: master, other: other}
	mark(other)
	if err := t.setLink(link); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Path is what other programs open.
func (t *Terminal) Path() string { return t.other.Name() }

func (t *Terminal) setLink(link string) error {
	if link == "" {
		return nil
	}
	old, err := os.Readlink(link)
	switch {
	case err == nil && isTerminal(old) && old != t.Path() && isMarked(old):
		return fmt.Errorf("cannot link the pseudo terminal at %s: another simulator or tunnel has its own there; end it, or choose another path", link)
	case err == nil && isTerminal(old):
		if err := os.Remove(link); err != nil {
			return fmt.Errorf("cannot replace the link %s: %w", link, err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot link the pseudo terminal at %s: something else is there; remove it or choose another path", link)
	}
	if err := os.Symlink(t.Path(), link); err != nil {
		return fmt.Errorf("cannot link the pseudo terminal: %w", err)
	}
	t.link = link
	return nil
}

// isTerminal reports whether a path is that of a pseudo terminal.
func isTerminal(path string) bool {
	return filepath.Dir(path) == "/dev/pts" || strings.HasPrefix(path, "/dev/ttys")
}

// Close removes the link, and ends what reads and writes.
func (t *Terminal) Close() error {
	if now, err := os.Readlink(t.link); err == nil && now == t.Path() {
		_ = os.Remove(t.link) // a link that stays is replaced by the next run
	}
	_ = t.other.Close() // nothing was written through it
	if err := t.File.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
