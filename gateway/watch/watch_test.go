package watch

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"modferry/gateway/screen"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// told returns a state after messages, each "topic payload", and "R topic payload" if it was retained.
func told(s *State, messages ...string) (events []Event) {
	for _, m := range messages {
		m, retained := strings.CutPrefix(m, "R ")
		topic, payload, _ := strings.Cut(m, " ")
		if e, ok := s.Apply(topic, []byte(payload), retained, noon); ok {
			events = append(events, e)
		}
	}
	return events
}

func sample(value string, seconds int) string {
	return fmt.Sprintf(`{"value":%s,"unit":"°C","quality":"good","time":"2026-01-02T11:59:%02dZ"}`, value, seconds)
}

func TestTableOfAGateway(t *testing.T) {
	var s State
	told(
		&s, "R modferry/hall/status online",
		`R modferry/hall/bus/line/status {"state":"open","queue":2,"requests":70,"timeouts":3,"resting":{"9":{},"5":{}}}`,
		"R modferry/hall/device/sensor/status online", "R modferry/hall/device/dead/status offline",
		"R modferry/hall/device/sensor/temperature "+sample("20", 10), "modferry/hall/device/sensor/temperature "+sample("21", 20),
		"modferry/hall/device/sensor/temperature "+sample("22.5", 55),
		"R modferry/hall/device/sensor/state on", "modferry/hall/device/sensor/raw \x01\x04\xff",
		`R modferry/hall/device/dead/level {"value":7,"quality":"stale","time":"2026-01-01T10:00:00Z"}`,
		"modferry/hall/device/sensor/temperature/set 5", "modferry/hall/device/sensor {}", "modferry/hall/audit {}", "other/x/status online",
	)
	want := `head
gateway hall: online
  bus line: open, 70 requests, 3 timeouts, 2 waiting, resting units 5, 9

reading                value  quality        age  course
dead/level                 7  stale offline  26 h  ▅
sensor/raw            0104ff                  0 s
sensor/state              on                    ?
sensor/temperature   22.5 °C  good            5 s  ▁▃█`
	got := strings.Join(s.Table(&View{Head: "head", Columns: 100, Rows: 24, Now: noon}), "\n")
	if squeezed(got) != squeezed(want) {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

// squeezed is text with single spaces.
func squeezed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

// Whatever the window, a page fits, and nothing on it moves the cursor.
func TestEveryPageFits(t *testing.T) {
	var s State
	for i := range 300 {
		told(&s, fmt.Sprintf("modferry/g%d/device/sensör-%d/温度-%d %s", i%3, i, i, sample(fmt.Sprint(i), i%60)))
	}
	told(&s, "modferry/g1/device/evil/x {\"value\":\"\\u001b[2J\\r\\n\",\"quality\":\"\\u0007\"}", "modferry/g\x1b[1m/status on\x1b[0mline\n",
		`modferry/g1/bus/b/status {"state":"\u001bc","error":"\n\n"}`)
	for columns := 1; columns < 130; columns += 3 {
		for rows := 1; rows < 60; rows += 7 {
			for _, top := range []int{-5, 0, 17, math.MaxInt} {
				page := s.Table(&View{Head: "head\x1b[5m", Columns: columns, Rows: rows, Top: top, Keys: top == 0, Now: noon})
				if len(page) > rows {
					t.Fatalf("%d lines for %d rows", len(page), rows)
				}
				for _, line := range page {
					if screen.Width(line) > columns || strings.ContainsFunc(line, unicode.IsControl) {
						t.Fatalf("%d columns: %q", columns, line)
					}
				}
			}
		}
	}
	v := &View{Head: "head", Columns: 80, Rows: 10, Top: math.MaxInt, Keys: true, Now: noon}
	page := strings.Join(s.Table(v), "\n")
	if !strings.Contains(page, "of 3") || !strings.Contains(page, "q ends") || !strings.Contains(page, "温度-9") || v.Top < 290 {
		t.Errorf("the last page is\n%s", page)
	}
}

// A narrow window loses the course first, then age and quality, and never the value.
func TestNarrowWindows(t *testing.T) {
	var s State
	told(&s, "modferry/g/device/cold-room/temperature "+sample("22.5", 55))
	for columns, want := range map[int][]string{
		90: {"22.5 °C", "good", "5 s", "▅"}, 60: {"22.5 °C", "good", "5 s"}, 40: {"22.5 °C", "good"}, 33: {"22.5 °C"}, 22: {"22.5 °C", "…"},
	} {
		page := s.Table(&View{Columns: columns, Rows: 10, Now: noon})
		last := page[len(page)-1]
		for _, part := range want {
			if !strings.Contains(last, part) {
				t.Errorf("%d columns: %q has no %q", columns, last, part)
			}
		}
		if columns < 90 && strings.Contains(last, "▅") || columns < 40 && strings.Contains(last, "good") {
			t.Errorf("%d columns: %q", columns, last)
		}
	}
}

// What comes again after the connection was lost is no news, and draws no course.
func TestReconnectIsNoNews(t *testing.T) {
	var s State
	all := []string{
		"R modferry/g/status online", `R modferry/g/bus/b/status {"state":"open","requests":1}`, "R modferry/g/device/d/status online",
		"R modferry/g/device/d/r " + sample("1", 1),
	}
	if first := told(&s, all...); len(first) != 4 {
		t.Errorf("%d events", len(first))
	}
	if again := told(&s, all...); len(again) != 0 {
		t.Errorf("again: %+v", again)
	}
	if news := told(&s, `R modferry/g/bus/b/status {"state":"open","requests":9}`, "R modferry/g/device/d/r "+sample("2", 2)); len(news) != 1 || string(news[0].Value) != "2" {
		t.Errorf("news: %+v", news)
	}
	if r := s.Gateways["g"].Devices["d"].Readings["r"]; len(r.Course) != 2 {
		t.Errorf("the course is %v", r.Course)
	}
	told(&s, "modferry/g/device/d/r ", "modferry/g/bus/b/status ") // are gone
	if len(s.Gateways["g"].Devices["d"].Readings)+len(s.Gateways["g"].Buses) > 0 || s.readings != 0 {
		t.Errorf("%+v", s.Gateways["g"])
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := State{Prefix: "plant/a"}
	for i := range MaxReadings + 10 {
		told(&s, fmt.Sprintf("plant/a/device/d/r%d %d", i, i))
	}
	for i := range 3 * Course {
		told(&s, fmt.Sprintf("plant/a/device/d/r0 %d", i))
	}
	d := s.Gateways["plant/a"].Devices["d"]
	if len(d.Readings) != MaxReadings || s.Lost != 10 || len(d.Readings["r0"].Course) != Course {
		t.Errorf("%d readings, %d lost, %d values", len(d.Readings), s.Lost, len(d.Readings["r0"].Course))
	}
}

// FuzzApply: any message is taken, and what comes of it is JSON and a clean line.
func FuzzApply(f *testing.F) {
	f.Add("modferry/g/device/d/r", []byte(sample("1.5", 3)))
	f.Add("modferry/g/bus/b/status", []byte(`{"state":"open","resting":{"1":{}}}`))
	f.Add("modferry/g/device/d/r", []byte("\x01\x04\xff"))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		var s State
		e, ok := s.Apply(topic, payload, false, noon)
		if !ok {
			return
		}
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("%v", err)
		}
		if line := e.Line(); strings.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("%q", line)
		}
		for _, line := range s.Table(&View{Columns: 40, Rows: 10, Now: noon}) {
			if screen.Width(line) > 40 || strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q", line)
			}
		}
	})
}
