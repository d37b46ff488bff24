package transport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// serialPort reads and writes through the descriptor that holds the lock, which is
// non-blocking and so belongs to the runtime's poller: Close ends a Read, a write
// has a deadline, no thread waits in the kernel, and any descriptor number will do.
// The serial library's own Write has no deadline and is not ended by its Close, and
// its Read takes no descriptor above 1023; it does the settings.
type serialPort struct {
	*os.File
	control serial.Port
	timing  Timing
	stuck   atomic.Bool // a write failed, so what is in the output buffer may never leave
}

func newSerialPort(claimed *os.File, control serial.Port, timing Timing) Port {
	return &serialPort{File: claimed, control: control, timing: timing}
}

func (p *serialPort) Timing() Timing { return p.timing }

func (p *serialPort) Flush() error { return p.control.ResetInputBuffer() }

func (p *serialPort) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	if err != nil {
		p.stuck.Store(true)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the port took %d of %d bytes within %v, perhaps because of flow control: %w", n, len(b), writeAllowance.Round(time.Second), err)
	}
	return n, err
}

// wakeLate is how late the kernel lets a sleeper wake: its timers have 50 us of slack,
// and a core that sleeps needs about as long again.
const wakeLate = 120 * time.Microsecond

// sleepExactly watches the clock for the last moment. At 115200 baud that is 4 % of a
// core on a line that is never idle, and 5 % more transactions.
func (p *serialPort) sleepExactly(d time.Duration) {
	end := time.Now().Add(d)
	if d > wakeLate {
		left := unix.NsecToTimespec((d - wakeLate).Nanoseconds())
		_ = unix.Nanosleep(&left, nil) // a signal ends it early; the caller looks at the clock
	}
	for time.Now().Before(end) {
	}
}

// Close lets a frame that was taken leave, but does not wait for one that is stuck,
// as the kernel would for up to 30 seconds.
func (p *serialPort) Close() error {
	if p.stuck.Load() {
		_ = p.control.ResetOutputBuffer()
	}
	return errors.Join(p.control.Close(), p.File.Close())
}

// holder names a process that has the port open, as far as this user may know. This one
// is named if there is no other: a child has what its parent had open.
func holder(path string) string {
	port, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	own := ""
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, d := range descriptors {
		if target, err := os.Readlink(d); err != nil || target != port {
			continue
		}
		pid := strings.Split(d, "/")[2]
		if pid == strconv.Itoa(os.Getpid()) {
			own = " by this process itself"
			continue
		}
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf(" by %s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return own
}
