package gatewaytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
)

// Need returns the path of a program. Without it the test is skipped, or fails where
// MODFERRY_REAL=1 says that everything is installed.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	Missing(t, program+" is not installed")
	return ""
}

// Missing skips the test because a part of it is not there, or fails it where MODFERRY_REAL=1.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("MODFERRY_REAL") == "1" {
		t.Fatalf("%s, and MODFERRY_REAL=1 asks for every test", what)
	}
	t.Skipf("%s: \"make test\" installs it and runs this test", what)
}

// FreePort returns a TCP port of 127.0.0.1 that was free a moment ago. It is below the
// ports that systems give out themselves, so that a server which is killed and started
// again finds its port, and the clients that wait for it find no other test's server.
// Where a program can choose a port itself (port 0), let it.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, ports, tries = 20000, 12000, 100
	for range tries {
		port := first + rand.IntN(ports)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no free port among %d", tries)
	return 0
}

// NeedPython returns Debian's python if it can import module, else it does what
// [Need] does. Debian's packages are seen by no other python.
func NeedPython(t testing.TB, module string) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import "+module).Run(); err != nil {
		Missing(t, python+" cannot import "+module)
	}
	return python
}
