package simulator_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"modferry/simulator"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := simulator.NewClock(start)
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
		for _, speed := range []float64{0, -1, math.NaN(), math.Inf(1), 2 * simulator.MaxSpeed} {
			if c.Speed(speed) == nil {
				t.Errorf("it runs at speed %v", speed)
			}
		}
		if c.Step(-1) == nil {
			t.Error("it went back")
		}
		if got := simulator.NewClock(time.Time{}).Now(); !got.Equal(time.Now()) {
			t.Errorf("a clock of the present shows %v", got)
		}
	})
}
