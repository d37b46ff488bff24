package screen

import (
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/term"
)

// Prompt asks a person for one line after the other: with editing, and with the lines
// before on the arrow keys.
type Prompt struct {
	in       *os.File
	before   *term.State
	terminal *term.Terminal
	history  *history
}

// Ask takes over the terminal until Close. history are the lines of earlier times, the
// oldest first; most is how many are kept.
func Ask(in, out *os.File, prompt string, lines []string, most int) (*Prompt, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	p := &Prompt{in: in, before: before, history: &history{most: most}}
	for _, l := range lines {
		p.history.Add(l)
	}
	p.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, prompt)
	p.terminal.History = p.history
	if columns, rows, err := term.GetSize(int(out.Fd())); err == nil && columns > 0 && rows > 0 {
		_ = p.terminal.SetSize(columns, rows) // without it, long lines break badly
	}
	return p, nil
}

// Line returns the next line, and [io.EOF] after Ctrl-D or Ctrl-C.
func (p *Prompt) Line() (string, error) {
	line, err := p.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// Write shows text between two lines.
func (p *Prompt) Write(text []byte) (int, error) { return p.terminal.Write(text) }

// Lines returns the lines that are kept, the oldest first.
func (p *Prompt) Lines() []string { return p.history.lines }

// Close gives the terminal back.
func (p *Prompt) Close() error { return term.Restore(int(p.in.Fd()), p.before) }

// history keeps lines once, each at its last use.
type history struct {
	most  int
	lines []string
}

func (h *history) Add(line string) {
	if line == "" {
		return
	}
	h.lines = append(slices.DeleteFunc(h.lines, func(l string) bool { return l == line }), line)
	h.lines = h.lines[max(0, len(h.lines)-h.most):]
}

func (h *history) Len() int { return len(h.lines) }

// At counts back from the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
