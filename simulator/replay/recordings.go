package replay

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"modferry/configs/plainfile"
	"modferry/modbus/profile"
	"modferry/simulator/match"
)

const (
	maxReplayBytes = 256 << 20
	maxReplayRows  = 1_000_000
)

// Recordings are the files that devices replay. Each is read once, for all columns
// that were wanted before; the devices of a configuration share them.
type Recordings struct {
	mu    sync.Mutex
	files map[string]*recordingFile
}

// New returns recordings of which none is wanted so far.
func New() *Recordings { return &Recordings{files: map[string]*recordingFile{}} }

// Want notes what a device will replay.
func (all *Recordings) Want(p *profile.Profile) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if p == nil {
		return // it is refused elsewhere
	}
	for _, r := range p.Registers {
		if m, ok := r.Model.(*profile.Replay); ok {
			all.file(m.File).want(m)
		}
	}
}

func (all *Recordings) file(name string) *recordingFile {
	f := all.files[name]
	if f == nil {
		f = &recordingFile{columns: map[string]*columnReader{}, timelines: map[clockwork]*timelineReader{}}
		all.files[name] = f
	}
	return f
}

// Replay returns a column of a file, which it reads if nobody has done so.
func (all *Recordings) Replay(m *profile.Replay) (*Replay, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	f := all.file(m.File)
	column, times := f.want(m)
	if f.missing() {
		if err := f.open(m.File); err != nil {
			return nil, err
		}
	}
	for _, err := range []error{column.err, times.err} {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.File, err)
		}
	}
	return &Replay{&column.column, &times.timeline, m.Speed, m.Loop}, nil
}

// recordingFile is a CSV file, and what is wanted of it.
type recordingFile struct {
	columns   map[string]*columnReader // by the names that profiles have for them
	timelines map[clockwork]*timelineReader
	rows      int
	failed    error // the file is none that could be read
}

// clockwork tells when rows are valid.
type clockwork struct {
	column string // "": every
	every  time.Duration
}

func (f *recordingFile) want(m *profile.Replay) (*columnReader, *timelineReader) {
	c := f.columns[m.Column]
	if c == nil {
		c = &columnReader{}
		f.columns[m.Column] = c
	}
	k := clockwork{m.Time, m.Every}
	t := f.timelines[k]
	if t == nil {
		t = &timelineReader{}
		f.timelines[k] = t
	}
	return c, t
}

// missing reports whether something that is wanted was not read.
func (f *recordingFile) missing() bool {
	for _, c := range f.columns {
		if !c.done {
			return true
		}
	}
	for _, t := range f.timelines {
		if !t.done {
			return true
		}
	}
	return false
}

// open reads the file.
func (f *recordingFile) open(name string) error {
	if f.failed != nil {
		return f.failed
	}
	file, err := plainfile.OpenTable(name, maxReplayBytes)
	if err != nil {
		f.failed = fmt.Errorf("cannot read the recorded values: %w", err)
		return f.failed
	}
	defer file.Close()
	if err := f.read(file); err != nil {
		f.failed = fmt.Errorf("%s: %w", name, err)
	}
	return f.failed
}

// read reads what is wanted and was not read.
func (f *recordingFile) read(text io.Reader) error {
	rows := csv.NewReader(text)
	rows.Comment, rows.TrimLeadingSpace, rows.ReuseRecord = '#', true, true
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty: the first line must have the names of the columns")
	}
	if err != nil {
		return fmt.Errorf("the first line must have the names of the columns: %w", err)
	}
	width := len(head)
	columns, times := f.begin(slices.Clone(head))
	n := 0
	for ; ; n++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, csv.ErrFieldCount) {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d has %d columns, the first line has %d: columns are separated by commas, and a number has a point", line, len(row), width)
		}
		if err != nil {
			return err // it names the line
		}
		if n == maxReplayRows {
			return fmt.Errorf("it has more than %d rows: cut it into parts", maxReplayRows)
		}
		line, _ := rows.FieldPos(0)
		for _, c := range columns {
			c.read(row, n, line)
		}
		for _, t := range times {
			t.read(row, line)
		}
	}
	switch {
	case n == 0:
		return errors.New("there are no values after the first line")
	case f.rows > 0 && f.rows != n:
		return errors.New("it was changed since it was read first: start again")
	}
	f.rows = n
	for _, t := range times {
		t.finish(n)
	}
	return nil
}

// begin finds the columns in the first line.
func (f *recordingFile) begin(head []string) (columns []*columnReader, times []*timelineReader) {
	for name, c := range f.columns {
		if c.done {
			continue
		}
		c.done = true
		if c.index, c.err = columnIndex(head, name); c.err == nil {
			columns = append(columns, c)
		}
	}
	for k, t := range f.timelines {
		if t.done {
			continue
		}
		t.done, t.every, t.index = true, k.every, -1
		if k.column != "" {
			t.index, t.err = columnIndex(head, k.column)
		}
		if t.err == nil {
			times = append(times, t)
		}
	}
	return columns, times
}

// columnIndex returns the index of a column, by its name in the first line or its number.
func columnIndex(head []string, name string) (int, error) {
	found := -1
	for i, h := range head {
		if strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")) != name {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("there are two columns %q, the %d. and the %d.: give one of them another name, or name it by its number", name, found+1, i+1)
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(head) {
		return n - 1, nil
	}
	return 0, fmt.Errorf("there is no column %q: the first line has %s", name, listed(head))
}

// maxNamed is how many columns an error names.
const maxNamed = 20

func listed(head []string) string {
	var named []string
	for _, name := range head[:min(len(head), maxNamed)] {
		named = append(named, match.Shortened(name))
	}
	text := strings.Join(named, ", ")
	if len(head) > maxNamed {
		text = fmt.Sprintf("%s and %d more", text, len(head)-maxNamed)
	}
	return text
}
