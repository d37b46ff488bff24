package mqtt

import (
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readClock returns a time that goes on while the machine sleeps and that nobody can
// set, with the boot it counts from: a wall clock that is set, or one that a machine
// without a battery takes from its disk, cannot make an old message young.
func readClock() (boot string, now time.Duration) {
	var t unix.Timespec
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return readWallClock()
	}
	return strings.TrimSpace(string(id)), time.Duration(t.Nano())
}

// sinceBoot is a time that goes on while the process stands still or the machine
// sleeps. The scheduler does not hear of the call: see package quickconn.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if _, _, fail := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0); fail != 0 {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}
