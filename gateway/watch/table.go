package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/screen"
)

// View is how a table is shown.
type View struct {
	Head    string // the first line
	Columns int
	Rows    int
	Top     int  // the first line of the body that is shown; is kept inside it
	Keys    bool // somebody can scroll
	Now     time.Time
}

// Table returns the lines of a page, none wider than the view.
func (s *State) Table(v *View) []string {
	body := s.body(v)
	lines := []string{screen.Cut(screen.Clean(v.Head), v.Columns)}
	room := v.Rows - 1
	if len(body) <= room {
		v.Top = 0
		return append(lines, body...)
	}
	room = max(room-1, 0) // for the last line
	v.Top = max(0, min(v.Top, len(body)-room))
	shown := body[v.Top : v.Top+room]
	note := fmt.Sprintf("lines %d to %d of %d", v.Top+1, v.Top+room, len(body))
	if v.Keys {
		note += "; arrows and page keys scroll, q ends"
	} else {
		note += "; a larger window shows more"
	}
	lines = append(append(lines, shown...), screen.Cut(note, v.Columns))
	return lines[:min(len(lines), v.Rows)]
}

func (s *State) body(v *View) []string {
	var lines []string
	add := func(text string) { lines = append(lines, screen.Cut(screen.Clean(text), v.Columns)) }
	names := slices.Sorted(maps.Keys(s.Gateways))
	if len(names) == 0 {
		add("No gateway has said anything yet.")
	}
	for _, name := range names {
		g := s.Gateways[name]
		add(fmt.Sprintf("gateway %s: %s", name, orUnknown(g.Status)))
		for _, bus := range slices.Sorted(maps.Keys(g.Buses)) {
			add("  bus " + bus + ": " + g.Buses[bus].words())
		}
	}
	rows := s.rows(v.Now)
	if len(rows) > 0 {
		lines = append(lines, "")
		lines = append(lines, layout(rows, v.Columns)...)
	}
	if s.Lost > 0 {
		add(fmt.Sprintf("More than %d readings: the others are not shown.", MaxReadings))
	}
	return lines
}

func orUnknown(status string) string {
	if status == "" {
		return "no word of its state"
	}
	return status
}

// words are the state of a bus.
func (b *Bus) words() string {
	text := fmt.Sprintf("%s, %d requests, %d timeouts, %d waiting", b.State, b.Requests, b.Timeouts, b.Queue)
	if len(b.Resting) > 0 {
		text += ", resting units " + strings.Join(slices.Sorted(maps.Keys(b.Resting)), ", ")
	}
	if b.Error != "" {
		text += ", " + b.Error
	}
	return text
}

// row is a line of the table; the course is drawn when its width is known.
type row struct {
	cells  [columnCount]string
	course []float64
}

// The columns.
const (
	columnName = iota
	columnValue
	columnQuality
	columnAge
	columnCourse
	columnCount
)

const courseWidth = 24

func (s *State) rows(now time.Time) []row {
	var rows []row
	for _, gateway := range slices.Sorted(maps.Keys(s.Gateways)) {
		g := s.Gateways[gateway]
		for _, device := range slices.Sorted(maps.Keys(g.Devices)) {
			d, name := g.Devices[device], device
			if len(s.Gateways) > 1 {
				name = gateway + "/" + device
			}
			if len(d.Readings) == 0 && d.Status != "" {
				rows = append(rows, row{cells: [columnCount]string{screen.Clean(name), "", screen.Clean(d.Status)}})
			}
			for _, reading := range slices.Sorted(maps.Keys(d.Readings)) {
				r := d.Readings[reading]
				value := r.Text
				if r.Unit != "" {
					value += " " + r.Unit
				}
				quality := string(r.Quality)
				if d.Status == message.Offline || g.Status == message.Offline {
					quality = strings.TrimSpace(quality + " offline")
				}
				rows = append(rows, row{[columnCount]string{
					screen.Clean(name + "/" + reading), screen.Clean(value), screen.Clean(quality), age(r, now),
				}, r.Course})
			}
		}
	}
	return rows
}

// age is how old the value is, or how long ago it came where it does not say.
func age(r *Reading, now time.Time) string {
	at := r.Time
	if at.IsZero() {
		at = r.Arrived
	}
	if at.IsZero() {
		return "?"
	}
	d := max(now.Sub(at), 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

var titles = [columnCount]string{"reading", "value", "quality", "age", "course"}

// layout writes rows in so many columns: where there are too few, the course goes
// first, then age and quality, and at last the names are cut.
func layout(rows []row, columns int) []string {
	var widths [columnCount]int
	for c, title := range titles {
		widths[c] = screen.Width(title)
	}
	for _, r := range rows {
		for c, cell := range r.cells {
			widths[c] = max(widths[c], screen.Width(cell))
		}
	}
	widths[columnValue] = min(widths[columnValue], max(columns/2, 8))
	widths[columnCourse] = courseWidth
	for _, c := range []int{columnCourse, columnAge, columnQuality} {
		if total(widths) > columns {
			widths[c] = 0
		}
	}
	if over := total(widths) - columns; over > 0 {
		widths[columnName] = max(widths[columnName]-over, 4)
	}
	lines := []string{line(row{cells: titles}, widths, columns)}
	for _, r := range rows {
		r.cells[columnCourse] = screen.Sparkline(r.course, widths[columnCourse])
		lines = append(lines, line(r, widths, columns))
	}
	return lines
}

func total(widths [columnCount]int) int {
	n := 0
	for _, w := range widths {
		if w > 0 {
			n += w + 2
		}
	}
	return n - 2
}

func line(r row, widths [columnCount]int, columns int) string {
	var cells []string
	for c, w := range widths {
		if w > 0 {
			cells = append(cells, screen.Fit(r.cells[c], w, c == columnValue || c == columnAge))
		}
	}
	return screen.Cut(strings.TrimRight(strings.Join(cells, "  "), " "), columns)
}

// Line is an event as one line for people.
func (e *Event) Line() string {
	at := e.Time.Local().Format("15:04:05")
	switch e.Kind {
	case "gateway":
		return screen.Clean(fmt.Sprintf("%s gateway %s is %s", at, e.Gateway, e.State))
	case "bus":
		text := fmt.Sprintf("%s %s bus %s is %s", at, e.Gateway, e.Bus, e.State)
		if e.Error != "" {
			text += ": " + e.Error
		}
		return screen.Clean(text)
	case "device":
		return screen.Clean(fmt.Sprintf("%s %s/%s is %s", at, e.Gateway, e.Device, e.State))
	}
	text := fmt.Sprintf("%s %s/%s/%s %s", at, e.Gateway, e.Device, e.Reading, e.text)
	if e.Unit != "" {
		text += " " + e.Unit
	}
	if e.Quality != "" && e.Quality != message.Good {
		text += " (" + string(e.Quality) + ")"
	}
	return screen.Clean(text)
}
