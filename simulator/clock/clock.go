// Package clock is the time that virtual devices live in, see [Clock].
package clock

import (
	"fmt"
	"sync"
	"time"
)

// MaxSpeed is the greatest speed of a Clock.
const MaxSpeed = 1_000_000

// MaxYears is how far a Clock goes from its beginning; then it stands.
const MaxYears = 100

// lastYear is the last one that times as text can have [RFC 3339, 1].
const lastYear = 9999

// Clock is the time that virtual devices live in: real time at first, which can be
// stopped, stepped and made to run faster or slower, but never goes back, nor beyond
// [MaxYears]. It is safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	real   func() time.Time
	last   time.Time // it does not go beyond
	at     time.Time // the clock's time ...
	since  time.Time // ... at this real time
	speed  float64   // seconds of the clock in a second, while it runs
	paused bool
}

// New returns a clock that shows a time now and runs as fast as real time. The
// zero time stands for the present.
func New(at time.Time) *Clock {
	c := &Clock{real: time.Now, speed: 1}
	c.since = c.real()
	c.at = at
	if at.IsZero() {
		c.at = c.since
	}
	c.last = c.at.AddDate(MaxYears, 0, 0)
	if end := time.Date(lastYear, time.December, 31, 23, 59, 59, 0, time.UTC); c.last.After(end) {
		c.last = end
	}
	if c.at.After(c.last) {
		c.last = c.at
	}
	return c
}

// NewPaused returns a clock that stands, so that all of a run is decided by its
// steps.
func NewPaused(at time.Time) *Clock {
	c := New(at)
	c.paused = true
	return c
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.paused {
		return c.at
	}
	passed := c.real().Sub(c.since)
	left := c.last.Sub(c.at)
	if c.speed != 1 {
		passed = time.Duration(min(float64(passed)*c.speed, float64(left)))
	}
	return c.at.Add(min(max(0, passed), left))
}

// settle lets a change count from now on.
func (c *Clock) settle() {
	c.at = c.now()
	c.since = c.real()
}

// Pause stops the clock.
func (c *Clock) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.paused = true
}

// Resume lets the clock run on at its speed.
func (c *Clock) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.paused = false
}

// Step puts the clock forward, whether it runs or not. Error: a step back, or beyond
// [MaxYears].
func (c *Clock) Step(by time.Duration) error {
	if by < 0 {
		return fmt.Errorf("the clock cannot go back by %v: step it forward", -by)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	if by > c.last.Sub(c.at) {
		return fmt.Errorf("the clock cannot go %v forward: it ends at %s, %d years from its beginning", by, c.last.Format(time.RFC3339), MaxYears)
	}
	c.at = c.at.Add(by)
	return nil
}

// Speed lets the clock run speed times as fast as real time; a clock that is paused
// stays so. Error: not above 0 and up to [MaxSpeed].
func (c *Clock) Speed(speed float64) error {
	if !(speed > 0 && speed <= MaxSpeed) {
		return fmt.Errorf("the speed %v is not above 0 and up to %d: to stop the clock, pause it", speed, MaxSpeed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.speed = speed
	return nil
}

// State is what a Clock shows.
type State struct {
	Now    time.Time `json:"now"`
	Speed  float64   `json:"speed"` // seconds of the clock in a second, while it runs
	Paused bool      `json:"paused"`
}

// State returns what the clock shows.
func (c *Clock) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return State{c.now(), c.speed, c.paused}
}
