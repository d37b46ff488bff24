package replay

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"modferry/modbus/register"
	"modferry/simulator/match"
)

// columnReader reads a column.
type columnReader struct {
	column
	done  bool
	index int
	err   error
}

func (c *columnReader) read(row []string, n, line int) {
	if c.err != nil {
		return
	}
	text := strings.TrimSpace(row[c.index])
	number, err := recorded(text)
	if err != nil {
		c.err = fmt.Errorf("line %d: %w", line, err)
		c.column = column{}
		return
	}
	c.values = append(c.values, number)
	if v, ok := beyondFloat(text, number); ok {
		c.exact = append(c.exact, exactCell{n, v})
	}
}

// recorded reads a value; an empty one is none, as is NaN.
func recorded(text string) (float64, error) {
	if text == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, fmt.Errorf("expected a number such as 21.5, got %q", match.Shortened(text))
	}
	return v, nil
}

// floatDigits is how many digits every float64 has.
const floatDigits = 15

// beyondFloat returns the number that a text is, if it has digits that its float64 has not.
func beyondFloat(text string, number float64) (register.Value, bool) {
	if len(text) <= floatDigits {
		return register.Value{}, false
	}
	v, err := register.Parse([]byte(text))
	return v, err == nil && v.IsNumber() && !v.Equal(register.Number(number))
}

// timelineReader reads when rows are valid.
type timelineReader struct {
	timeline
	done  bool
	index int           // -1: all rows are valid for every
	first time.Duration // the time in the first row
	err   error
}

func (t *timelineReader) read(row []string, line int) {
	if t.err != nil || t.index < 0 {
		return
	}
	when, err := recordedTime(row[t.index])
	n := len(t.times)
	if n == 0 {
		t.first = when
	}
	when -= t.first
	if err == nil && n > 0 && when < t.times[n-1] {
		err = errors.New("its time is before that of the line above")
	}
	if err != nil {
		t.err = fmt.Errorf("line %d: %w", line, err)
		return
	}
	t.times = append(t.times, when)
}

// finish decides when the first row follows the last: as long after it as that came
// after the one before.
func (t *timelineReader) finish(rows int) {
	t.rows = rows
	if t.err != nil {
		return
	}
	if t.index < 0 {
		t.every = max(t.every, time.Millisecond)
		t.over = bounded(float64(rows) * float64(t.every))
		return
	}
	last := time.Duration(0)
	if rows > 1 {
		last = t.times[rows-1] - t.times[rows-2]
	}
	t.over = bounded(float64(t.times[rows-1]) + float64(max(last, time.Millisecond)))
}

// bounded returns a duration, the greatest one if there is none so long.
func bounded(d float64) time.Duration { return time.Duration(min(d, 2*farthest-1e9)) }

// farthest bounds times, so that differences of them are durations.
const farthest = float64(math.MaxInt64 / 2)

// recordedTime reads a time: seconds, or a date and time with its zone. Only
// differences of them matter.
func recordedTime(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds*1e9) < farthest {
		return time.Duration(math.Round(seconds * 1e9)), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && math.Abs(float64(t.Unix())*1e9) < farthest {
		return time.Duration(t.UnixNano()), nil
	}
	return 0, fmt.Errorf("expected seconds such as 12.5, or a time such as 2026-11-24T12:00:00Z, got %q", match.Shortened(text))
}
