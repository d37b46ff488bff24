//go:build !linux

package mqtt

import "time"

func readClock() (boot string, now time.Duration) { return readWallClock() }

// sinceBoot is a time that goes on while the process stands still.
func sinceBoot() time.Duration { return time.Since(started) }
