//go:build unix

package metrics

import "golang.org/x/sys/unix"

// processorTime returns the processor time of the process in seconds, -1 where that is not known.
func processorTime() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
