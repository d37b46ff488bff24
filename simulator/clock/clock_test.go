package clock_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/simulator/clock"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := clock.New(start)
		at := func(want time.Duration) {
			t.Helper()
			if got := c.Now().Sub(start); got != want {
				t.Errorf("%v after the start, want %v", got, want)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		at(0)
		time.Sleep(time.Second)
		at(time.Second)
		must(c.Speed(60))
		at(time.Second)
		time.Sleep(time.Second)
		at(61 * time.Second)
		c.Pause()
		time.Sleep(time.Hour)
		at(61 * time.Second)
		must(c.Step(9 * time.Second))
		at(70 * time.Second)
		must(c.Speed(0.5))
		time.Sleep(time.Hour)
		at(70 * time.Second)
		c.Resume()
		time.Sleep(2 * time.Second)
		at(71 * time.Second)
		must(c.Step(time.Hour))
		at(time.Hour + 71*time.Second)
		if s := c.State(); s.Speed != 0.5 || s.Paused || !s.Now.Equal(c.Now()) {
			t.Errorf("%+v", s)
		}
		for _, speed := range []float64{0, -1, math.NaN(), math.Inf(1), 2 * clock.MaxSpeed} {
			if c.Speed(speed) == nil {
				t.Errorf("it runs at speed %v", speed)
			}
		}
		if c.Step(-1) == nil {
			t.Error("it went back")
		}
		if got := clock.New(time.Time{}).Now(); !got.Equal(time.Now()) {
			t.Errorf("a clock of the present shows %v", got)
		}
	})
}

// A clock that comes to its end stands there, however it came, and its time can
// always be written.
func TestClockEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for start, last := range map[string]string{
			"2026-01-01T00:00:00Z": "2126-01-01T00:00:00Z", "9990-06-01T00:00:00Z": "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-10:00": "9999-12-31T23:59:59-10:00",
		} {
			begin, err := time.Parse(time.RFC3339, start)
			if err != nil {
				t.Fatal(err)
			}
			end, err := time.Parse(time.RFC3339, last)
			if err != nil {
				t.Fatal(err)
			}
			c := clock.New(begin)
			if err := c.Speed(clock.MaxSpeed); err != nil {
				t.Error(err)
			}
			time.Sleep(24 * time.Hour)
			if now := c.Now(); !now.Equal(end) {
				t.Errorf("from %s it runs to %v", start, now)
			}
			if b, err := json.Marshal(c.State()); err != nil {
				t.Errorf("from %s: %s, %v", start, b, err)
			}
			c = clock.NewPaused(begin)
			for c.Step(290*365*24*time.Hour) == nil || c.Step(24*time.Hour) == nil {
			}
			if left := end.Sub(c.Now()); left < 0 || left > 24*time.Hour {
				t.Errorf("from %s it was stepped to %v", start, c.Now())
			}
			if err := c.Step(24 * time.Hour); err == nil || !strings.Contains(err.Error(), "it ends at") {
				t.Errorf("a step beyond: %v", err)
			}
		}
	})
}
