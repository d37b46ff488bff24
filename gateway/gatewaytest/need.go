package gatewaytest

import (
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
