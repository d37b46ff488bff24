package simulator

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"modferry/configs/plainfile"
	"modferry/modbus/profile"
)

// replay are recorded values, and how long after the first each of them came.
type replay struct {
	values []float64 // NaN: there was none
	times  []time.Duration
	length time.Duration // when it begins again
	speed  float64
	loop   bool
}

const (
	maxReplayBytes = 64 << 20
	maxReplayRows  = 1_000_000
)

// readReplay reads the file of a replay.
func readReplay(m *profile.Replay) (*replay, error) {
	file, err := plainfile.Open(m.File)
	if err != nil {
		return nil, fmt.Errorf("cannot read the recorded values: %w", err)
	}
	defer file.Close()
	r, err := parseReplay(m, io.LimitReader(file, maxReplayBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.File, err)
	}
	return r, nil
}

func parseReplay(m *profile.Replay, text io.Reader) (*replay, error) {
	rows := csv.NewReader(text)
	rows.Comment, rows.TrimLeadingSpace, rows.ReuseRecord = '#', true, true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line must have the names of the columns: %w", err)
	}
	columns := slices.Clone(head)
	value, err := column(columns, m.Column)
	if err != nil {
		return nil, err
	}
	at := -1
	if m.Time != "" {
		if at, err = column(columns, m.Time); err != nil {
			return nil, err
		}
	}
	r := &replay{speed: m.Speed, loop: m.Loop}
	if err := r.read(rows, value, at, m.Every); err != nil {
		return nil, err
	}
	return r, r.finish(m.Every)
}

// column returns the index of a column, by its name in the first line or its number.
func column(head []string, name string) (int, error) {
	for i, h := range head {
		if strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")) == name {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(head) {
		return n - 1, nil
	}
	return 0, fmt.Errorf("there is no column %q: the first line has %s", name, strings.Join(head, ", "))
}

func (r *replay) read(rows *csv.Reader, value, at int, every time.Duration) error {
	var first time.Duration
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // it names the line
		}
		line, _ := rows.FieldPos(value)
		number, err := recorded(row[value])
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		when := time.Duration(len(r.times)) * every
		if at >= 0 {
			if when, err = recordedTime(row[at]); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			if len(r.times) == 0 {
				first = when
			}
			when -= first
		}
		if n := len(r.times); n > 0 && when < r.times[n-1] {
			return fmt.Errorf("line %d: its time is before that of the line above", line)
		}
		if len(r.times) == maxReplayRows {
			return fmt.Errorf("it has more than %d rows: cut it into parts", maxReplayRows)
		}
		r.values, r.times = append(r.values, number), append(r.times, when)
	}
}

// finish decides when the first row follows the last: as long after it as that came
// after the one before.
func (r *replay) finish(every time.Duration) error {
	n := len(r.times)
	if n == 0 {
		return errors.New("there are no values after the first line")
	}
	if every == 0 && n > 1 {
		every = r.times[n-1] - r.times[n-2]
	}
	r.length = r.times[n-1] + max(every, time.Millisecond)
	return nil
}

// recorded reads a value; an empty one is none.
func recorded(text string) (float64, error) {
	if text = strings.TrimSpace(text); text == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, fmt.Errorf("expected a number such as 21.5, got %q", text)
	}
	return v, nil
}

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
	return 0, fmt.Errorf("expected seconds such as 12.5, or a time such as 2026-11-24T12:00:00Z, got %q", text)
}

// at returns the value so long after the start.
func (r *replay) at(elapsed time.Duration) float64 {
	when := float64(elapsed) * r.speed
	if r.loop {
		when = math.Mod(when, float64(r.length))
	}
	i, found := slices.BinarySearchFunc(r.times, when, func(t time.Duration, when float64) int { return cmp.Compare(float64(t), when) })
	for found && i+1 < len(r.times) && r.times[i+1] == r.times[i] {
		i++ // the last of several at one time
	}
	if !found {
		i--
	}
	return r.values[max(0, i)]
}
