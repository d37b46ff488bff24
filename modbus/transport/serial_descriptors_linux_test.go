package transport

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A process with many connections has descriptors above 1023, which select cannot
// take; a serial port that is opened then works all the same.
func TestSerialPortAboveDescriptor1023(t *testing.T) {
	const many = 1100
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < many+100 {
		more := unix.Rlimit{Cur: min(limit.Max, 4096), Max: limit.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &more); err != nil || more.Cur < many+100 {
			t.Skipf("no more than %d descriptors are allowed here: raise the limit (ulimit -n 4096)", limit.Max)
		}
		defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()
	}
	highest := uintptr(0)
	for range many {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		highest = max(highest, f.Fd())
	}
	if highest <= 1023 {
		t.Fatalf("the highest descriptor is %d", highest)
	}
	path := portPath(t)
	line := plugIn(t, path)
	defer line.unplug(path)
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path, Baud: 115200}), Timeout: timeout})
	defer s.Close()
	for i := range uint16(3) {
		if err := ask(s, 1, i); err != nil {
			t.Fatal(err)
		}
	}
}
