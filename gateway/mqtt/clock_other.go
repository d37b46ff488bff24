//go:build !linux

package mqtt

import "time"

func readClock() (boot string, now time.Duration) { return readWallClock() }
