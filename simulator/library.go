package simulator

import (
	"time"

	"modferry/simulator/clock"
)

// A program that uses the simulator as a library needs no other package than this
// one: here are the names of what has a room of its own.

// Clock is the time that the devices live in.
type Clock = clock.Clock

// ClockState is what a Clock shows.
type ClockState = clock.State

// Limits of a Clock: its greatest speed, and how many years it goes.
const (
	MaxSpeed = clock.MaxSpeed
	MaxYears = clock.MaxYears
)

// NewClock is [clock.New].
func NewClock(at time.Time) *Clock { return clock.New(at) }

// NewPausedClock is [clock.NewPaused].
func NewPausedClock(at time.Time) *Clock { return clock.NewPaused(at) }
