package tally

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"modferry/gateway/bus"
)

// MarshalJSON returns an object with the total, and each outcome by its name.
func (c Counts) MarshalJSON() ([]byte, error) {
	b := strconv.AppendUint([]byte(`{"total":`), c.Total(), 10)
	for i, n := range c {
		b = append(append(append(b, `,"`...), bus.Outcome(i).String()...), `":`...)
		b = strconv.AppendUint(b, n, 10)
	}
	return append(b, '}'), nil
}

// MarshalJSON returns how many replies there were and how long they took, in milliseconds.
func (h Histogram) MarshalJSON() ([]byte, error) {
	mean, n := 0.0, h.Count()
	if n > 0 {
		mean = milliseconds(h.Sum) / float64(n)
	}
	return json.Marshal(struct {
		Count  uint64  `json:"count"`
		Mean   float64 `json:"mean"`
		Half   float64 `json:"p50"`
		Almost float64 `json:"p95"`
	}{n, rounded(mean), milliseconds(h.Quantile(0.5)), milliseconds(h.Quantile(0.95))})
}

// MarshalJSON returns the unit's counters, and its rate in transactions per second.
func (u Unit) MarshalJSON() ([]byte, error) {
	w := struct {
		Unit       byte              `json:"unit"`
		Rate       float64           `json:"rate"`
		Share      float64           `json:"utilisation"`
		Polls      Counts            `json:"polls"`
		Requests   Counts            `json:"requests"`
		Exceptions map[string]uint64 `json:"exceptions"`
		Latency    Histogram         `json:"latency_ms"`
		Answered   *time.Time        `json:"answered,omitempty"`
		Failed     *time.Time        `json:"failed,omitempty"`
		Failure    string            `json:"failure,omitempty"`
	}{
		Unit: u.Unit, Rate: rounded(u.Lately.Rate()), Share: rounded(u.Lately.Utilisation(1)), Polls: u.Polls, Requests: u.Requests,
		Exceptions: map[string]uint64{}, Latency: u.Latency,
	}
	for code, n := range u.Exceptions {
		w.Exceptions[strconv.Itoa(int(code))] = n
	}
	if !u.Answered.IsZero() {
		w.Answered = &u.Answered
	}
	if !u.Failed.IsZero() {
		w.Failed, w.Failure = &u.Failed, u.Failure.String()
	}
	return json.Marshal(w)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }
