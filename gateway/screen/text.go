// Package screen shows lines on a person's terminal: text that cannot move the cursor,
// cut to the columns that there are, drawn over and over, and the keys that are pressed
// meanwhile.
//
// Limits: what a terminal makes of combined characters is its own affair; a character is
// taken to be none, one or two columns wide, as Unicode has it.
package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Clean is text from elsewhere without anything that a terminal would act on: control
// characters, what changes the direction of text, and what is no UTF-8.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
}

// Width returns how many columns a text takes.
func Width(text string) int {
	n := 0
	for _, r := range text {
		n += columns(r)
	}
	return n
}

func columns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Fit returns text that takes exactly so many columns: cut, with an ellipsis, or filled
// with spaces, on the left if it is to be on the right.
func Fit(text string, columns int, right bool) string {
	text = Cut(text, columns)
	space := strings.Repeat(" ", max(0, columns-Width(text)))
	if right {
		return space + text
	}
	return text + space
}

// Cut returns text that takes at most so many columns.
func Cut(text string, most int) string {
	if most <= 0 {
		return ""
	}
	if Width(text) <= most {
		return text
	}
	n := 0
	for i, r := range text {
		if n+columns(r) > most-1 {
			return text[:i] + "…"
		}
		n += columns(r)
	}
	return text
}

var blocks = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws values, the last ones if there are more than columns.
func Sparkline(values []float64, columns int) string {
	if columns <= 0 || len(values) == 0 {
		return ""
	}
	values = values[max(0, len(values)-columns):]
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	var b strings.Builder
	for _, v := range values {
		at := len(blocks) / 2 // all are the same
		if span := high - low; span > 0 {
			at = int((v - low) / span * float64(len(blocks)-1))
		}
		b.WriteRune(blocks[min(max(at, 0), len(blocks)-1)])
	}
	return b.String()
}
