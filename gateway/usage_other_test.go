//go:build !linux

package gateway_test

import "time"

// Where it is not known, it is not shown.
func cpuTime() time.Duration { return 0 }

func residentKiB() int { return 0 }
