package explain

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	columns    = 80
	hexColumns = 23 // eight bytes
	minMeaning = 24
)

// String returns the explanation as text of at most 80 columns, without colour,
// with a newline at the end.
func (e Explanation) String() string {
	var out strings.Builder
	title := string(e.Kind)
	switch {
	case e.Framing != "" && e.Kind == Unknown:
		title = e.Framing + " frame"
	case e.Framing != "":
		title = e.Framing + " " + title
	}
	paragraph(&out, title+": ", e.Summary)
	e.table(&out)
	for _, p := range e.Problems {
		paragraph(&out, "wrong: ", p.What)
		if p.Do != "" {
			paragraph(&out, "   do: ", p.Do)
		}
	}
	for _, n := range e.Notes {
		paragraph(&out, " note: ", n)
	}
	return out.String()
}

// table writes the fields below one another.
func (e Explanation) table(out *strings.Builder) {
	if len(e.Fields) == 0 {
		return
	}
	rows := [][5]string{{"byte", "hex", "field", "value", "meaning"}}
	if e.Framing == "ASCII" {
		rows[0][0] = "character"
	}
	for _, f := range e.Fields {
		rows = append(rows, [5]string{place(f, e.Framing == "ASCII"), f.Bytes, f.Name, f.Value, f.Meaning})
	}
	widths := fit(rows)
	out.WriteByte('\n')
	for _, row := range rows {
		writeRow(out, row, widths)
	}
	if len(e.Problems)+len(e.Notes) > 0 {
		out.WriteByte('\n')
	}
}

// place returns "6-7".
func place(f Field, characters bool) string {
	n := (len(f.Bytes) + 1) / 3
	switch {
	case f.Bytes == ":":
		n = 1
	case strings.HasSuffix(f.Bytes, "LF"):
		n = len(strings.Fields(f.Bytes))
	case characters:
		n *= 2
	}
	if n == 1 {
		return fmt.Sprint(f.Offset)
	}
	return fmt.Sprintf("%d-%d", f.Offset, f.Offset+n-1)
}

// fit chooses the columns' widths so that a row with two spaces between them fits.
func fit(rows [][5]string) (widths [5]int) {
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	widths[1] = min(widths[1], hexColumns)
	rest := columns - 2 - 4*2 - widths[0] - widths[1] - widths[2]
	widths[3] = max(min(widths[3], rest-minMeaning), len("value"))
	widths[4] = rest - widths[3]
	return widths
}

func writeRow(out *strings.Builder, row [5]string, widths [5]int) {
	var cells [5][]string
	lines := 1
	for i, cell := range row {
		cells[i] = wrap(cell, widths[i])
		lines = max(lines, len(cells[i]))
	}
	for n := range lines {
		var line strings.Builder
		for i := range cells {
			cell := ""
			if n < len(cells[i]) {
				cell = cells[i][n]
			}
			fmt.Fprintf(&line, "  %-*s", widths[i], cell)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// paragraph writes text behind a label, its further lines indented like the first.
func paragraph(out *strings.Builder, label, text string) {
	indent := min(len(label), 7)
	lines := wrap(label+text, columns)
	if len(lines) > 1 {
		lines = append(lines[:1], wrap(strings.TrimPrefix(label+text, lines[0]), columns-indent)...)
	}
	for i, line := range lines {
		if i > 0 {
			line = strings.Repeat(" ", indent) + strings.TrimLeft(line, " ")
		}
		out.WriteString(line + "\n")
	}
}

// wrap breaks text at spaces into lines of at most width; a longer word is cut.
func wrap(text string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(text) > width {
		head := string([]rune(text)[:width+1])
		at := strings.LastIndexByte(head, ' ')
		if at <= 0 || strings.TrimSpace(head[:at]) == "" {
			at = len(string([]rune(text)[:width]))
		}
		lines = append(lines, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}
