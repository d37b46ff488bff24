package gatewaytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// Binary returns the path of the modferry program, built once per test process, with
// the race detector if the tests have it. It stays in the user's cache directory,
// replaced by the next run's.
func Binary(t testing.TB) string {
	t.Helper()
	return must(t, modferry)
}

var modferry = sync.OnceValues(func() (string, error) {
	if raced {
		return build("modferry-race", "modferry/cmd/modferry", "-race")
	}
	return build("modferry", "modferry/cmd/modferry", "-trimpath", "-ldflags", "-s -w") // as it is released
})

// The servers are tools of this module: the go command builds them, nothing is installed.
var (
	natsServer      = sync.OnceValues(func() (string, error) { return build("nats-server", "github.com/nats-io/nats-server/v2") })
	toxiproxyServer = sync.OnceValues(func() (string, error) {
		return build("toxiproxy-server", "github.com/Shopify/toxiproxy/v2/cmd/server")
	})
)

// NATSServer returns the path of the nats-server program, likewise.
func NATSServer(t testing.TB) string {
	t.Helper()
	return must(t, natsServer)
}

func must(t testing.TB, program func() (string, error)) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build builds a package's program and returns its path.
func build(name, pkg string, flags ...string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "modferry-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("no place for a program that tests need: %w", err)
	}
	// Renamed when complete: the tests of other packages build it at the same time.
	fresh := filepath.Join(dir, fmt.Sprintf("%s.%d", name, os.Getpid()))
	args := append([]string{"build"}, flags...)
	command := exec.Command("go", append(args, "-o", fresh, pkg)...)
	if !slices.Contains(flags, "-race") {
		command.Env = append(os.Environ(), "CGO_ENABLED=0") // static
	}
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", name, err, out)
	}
	path := filepath.Join(dir, name)
	if err := os.Rename(fresh, path); err != nil {
		return "", fmt.Errorf("cannot place %s: %w", name, err)
	}
	return path, nil
}
