package simulator_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// speed returns the baud rate that a port is set to.
func speed(t *testing.T, port *os.File) int {
	t.Helper()
	termios, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	switch termios.Cflag & unix.CBAUD {
	case unix.B9600:
		return 9600
	case unix.B19200:
		return 19200
	}
	return 0
}
