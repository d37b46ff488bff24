package simulator

import (
	"context"
	"fmt"

	"modferry/modbus/terminal"
	"modferry/simulator/match"
)

// OpenPTY adds a new pseudo terminal as a face and returns its path, which other
// programs open as a serial port of any speed. With a link, a symbolic link with
// that path leads to it until the simulator ends; a link that an earlier run left
// behind is replaced, anything else in its place is an error, such as the link of a
// simulator that runs. Linux and macOS only.
func (s *Simulator) OpenPTY(link string) (path string, err error) {
	err = s.add(func() (face, error) {
		t, err := terminal.Open(link)
		if err != nil {
			return nil, err
		}
		path = t.Path()
		return &ptyFace{Simulator: s, terminal: t}, nil
	})
	return path, err
}

type ptyFace struct {
	*Simulator
	terminal *terminal.Terminal
}

func (f *ptyFace) serve(ctx context.Context) error {
	if err := f.serveLine(ctx, FacePTY, f.pace(f.terminal), 0, 0); err != nil {
		return fmt.Errorf("pseudo terminal %s: %w", f.terminal.Path(), err)
	}
	return nil
}

func (f *ptyFace) close() error     { return f.terminal.Close() }
func (f *ptyFace) restarted()       {}
func (f *ptyFace) kind() match.Kind { return match.Kind{Name: FacePTY, Framing: f.lineFraming()} }
