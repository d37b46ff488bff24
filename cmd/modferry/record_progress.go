package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"modferry/simulator/recording"
)

// isTerminal reports whether somebody looks at what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progressEvery is how often the line is written at most.
const progressEvery = 200 * time.Millisecond

// progressLine is one line on a terminal that is written over and over.
type progressLine struct {
	w    io.Writer
	on   bool
	last time.Time
	used bool
}

func (l *progressLine) show(p recording.Progress) {
	now := time.Now()
	if !l.on || now.Sub(l.last) < progressEvery {
		return
	}
	l.last, l.used = now, true
	fmt.Fprintf(l.w, "\r\x1b[K%s", progressText(p)) // the rest of the line is erased
}

// end leaves the line empty.
func (l *progressLine) end() {
	if l.used {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}

func progressText(p recording.Progress) string {
	if p.Rows == 0 && p.Reading.Quantity > 0 {
		return fmt.Sprintf("looking for what the device has: %s up to %d", p.Reading.Table, p.Reading.End()-1)
	}
	text := fmt.Sprintf("%d rows in %v", p.Rows, p.Elapsed.Round(time.Second))
	if p.Error != nil {
		text += fmt.Sprintf("; not all was answered for %v", p.Silent.Round(time.Second))
	}
	return text + "; Ctrl-C ends it"
}
