package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"modferry/gateway/scan"
	"modferry/gateway/screen"
)

const (
	barWidth       = 20
	plainEvery     = 10 * time.Second // between two lines where nobody looks
	barEvery       = 100 * time.Millisecond
	leastRemaining = time.Second // less is not worth telling
)

// scanProgress tells how far a scan is: on a terminal a bar that is drawn over and
// over, elsewhere lines now and then. What was found is told at once.
type scanProgress struct {
	w            io.Writer
	on, terminal bool
	last         time.Time
	drawn        bool
	setting      scan.Setting
}

func (p *scanProgress) show(now scan.Progress) {
	if !p.on {
		return
	}
	at := time.Now()
	changed := now.Setting != p.setting
	p.setting = now.Setting
	if now.News != nil {
		p.end()
		fmt.Fprintf(p.w, "unit %d answers: %s\n", now.News.Unit, now.News.Answer)
		return
	}
	switch {
	case p.terminal && (at.Sub(p.last) >= barEvery || now.Done == now.Total):
		fmt.Fprint(p.w, "\r\x1b[K"+screen.Cut(bar(now)+" "+progressWords(now), p.columns()-1))
		p.drawn, p.last = true, at
	case !p.terminal && (at.Sub(p.last) >= plainEvery || changed):
		fmt.Fprintln(p.w, progressWords(now))
		p.last = at
	}
}

// columns is how wide the terminal is now.
func (p *scanProgress) columns() int {
	const usual = 80
	if f, ok := p.w.(*os.File); ok {
		columns, _ := screen.Size(f)
		return columns
	}
	return usual
}

// end leaves the line empty.
func (p *scanProgress) end() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func bar(p scan.Progress) string {
	full := barWidth * p.Done / max(1, p.Total)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

func progressWords(p scan.Progress) string {
	text := ""
	if p.Phase == scan.Reading {
		text = fmt.Sprintf("reading unit %d, %d of %d units read", p.Unit, p.Done, p.Total)
	} else {
		text = fmt.Sprintf("%d of %d units asked, %d found", p.Done, p.Total, p.Found)
		if p.Setting.Baud > 0 {
			text += fmt.Sprintf(", %d baud, parity %s", p.Setting.Baud, p.Setting.Parity)
		}
	}
	if p.Left >= leastRemaining {
		text += fmt.Sprintf(", %v left", p.Left.Round(time.Second))
	}
	return text
}
