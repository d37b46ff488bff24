package screen

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// What a terminal without a size is taken to have.
const (
	defaultColumns = 80
	defaultRows    = 24
)

// Key is a key that was pressed.
type Key uint8

// The keys.
const (
	Quit Key = iota + 1 // q, or Ctrl-C
	Up
	Down
	PageUp
	PageDown
	Home
	End
)

// Screen is a terminal that shows a page at a time. Draw is for one goroutine.
type Screen struct {
	out     *os.File
	tty     *os.File // that keys come from; nil = there are none
	restore func()
	keys    chan Key
	reading sync.WaitGroup
}

// IsTerminal reports whether somebody looks at what is written.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Open takes over the terminal until Close: what it showed before comes back then. Keys
// are taken from the terminal that controls the process, if there is one.
func Open(out *os.File) *Screen {
	s := &Screen{out: out, keys: make(chan Key, 16), restore: func() {}}
	s.listen()
	_, _ = io.WriteString(out, "\x1b[?1049h\x1b[?25l") // another page, no cursor
	return s
}

// Keys is where keys arrive. Keys that nobody takes are dropped.
func (s *Screen) Keys() <-chan Key { return s.keys }

// HasKeys reports whether there can be any.
func (s *Screen) HasKeys() bool { return s.tty != nil }

// Size returns columns and rows as they are now.
func (s *Screen) Size() (columns, rows int) { return Size(s.out) }

// Size returns columns and rows of a terminal; the usual ones where it does not tell.
func Size(terminal *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(terminal.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return defaultColumns, defaultRows
	}
	return columns, rows
}

// Draw shows lines, which fit: they have no control characters.
func (s *Screen) Draw(lines []string) error {
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line)
		b.WriteString("\x1b[K") // the rest of the line is erased
	}
	b.WriteString("\x1b[J")
	_, err := s.out.Write(b.Bytes())
	return err
}

// Close gives the terminal back.
func (s *Screen) Close() {
	if s.tty != nil {
		s.restore()
		_ = s.tty.Close() // ends the reading
		s.reading.Wait()
	}
	_, _ = io.WriteString(s.out, "\x1b[?25h\x1b[?1049l")
}

// read passes on keys until the terminal is closed.
func (s *Screen) read() {
	buf := make([]byte, 64)
	for {
		n, err := s.tty.Read(buf)
		for _, key := range keysOf(string(buf[:n])) {
			select {
			case s.keys <- key:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// sequences are what terminals send for keys.
var sequences = []struct {
	bytes string
	key   Key
}{
	{"\x1b[A", Up}, {"\x1b[B", Down}, {"\x1bOA", Up}, {"\x1bOB", Down}, {"\x1b[5~", PageUp}, {"\x1b[6~", PageDown},
	{"\x1b[H", Home}, {"\x1b[F", End}, {"\x1b[1~", Home}, {"\x1b[4~", End}, {"\x1bOH", Home}, {"\x1bOF", End},
	{"k", Up}, {"j", Down}, {"b", PageUp}, {" ", PageDown}, {"g", Home}, {"G", End}, {"q", Quit}, {"Q", Quit}, {"\x03", Quit},
}

func keysOf(b string) (all []Key) {
	for b != "" {
		n := 1
		for _, s := range sequences {
			if strings.HasPrefix(b, s.bytes) {
				all, n = append(all, s.key), len(s.bytes)
				break
			}
		}
		b = b[n:]
	}
	return all
}
