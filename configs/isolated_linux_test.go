package configs_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// The environment of a test that runs isolated.
const (
	isolatedTest   = "MODFERRY_ISOLATED_TEST"   // its name
	isolatedBinary = "MODFERRY_ISOLATED_BINARY" // the modferry program, built before
)

// isolated runs the calling test once more, in a process whose network and mounts are
// its own: every port is free there, also 443, and any file of the system can be
// another. It returns false to the test outside, which has nothing more to do, and
// true to the one inside. Where the system does not allow that the test is skipped.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolatedTest) == t.Name() {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	flags := []string{"--net", "--mount"}
	if os.Getuid() != 0 {
		flags = append(flags, "--user", "--map-root-user")
	}
	unshare := gatewaytest.Need(t, "unshare")
	gatewaytest.Need(t, "ip")
	if out, err := exec.CommandContext(t.Context(), unshare, append(flags, "ip", "link", "set", "lo", "up")...).CombinedOutput(); err != nil {
		t.Skipf("no network of its own for this test, which needs root or user namespaces: %v\n%s", err, out)
	}
	t.Parallel()
	c := exec.CommandContext(t.Context(), unshare, append(flags, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")...)
	c.Env = append(os.Environ(), isolatedTest+"="+t.Name(), isolatedBinary+"="+gatewaytest.Binary(t))
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}

// run runs a command that has to succeed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
