package simulator_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// speed returns the baud rate that a port is set to.
func speed(t *testing.T, port *os.File) int {
	t.Helper()
	termios, err := unix.IoctlGetTermios(int(port.Fd()), unix.TIOCGETA)
	if err != nil {
		t.Fatal(err)
	}
	return int(termios.Ospeed)
}
