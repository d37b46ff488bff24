//go:build unix

// Package plainfiletest puts what is no file in the place of one: for the tests of all
// packages that read files which somebody names.
package plainfiletest

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second

// Pipe makes a pipe, pipe.yaml in a directory of its own, which blocks whoever opens it
// for reading.
func Pipe(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Refused fails the test unless read soon returns an error that has these words.
func Refused(t testing.TB, what, want string, read func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- read() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", what, err, want)
		}
	case <-time.After(patience):
		t.Fatalf("%s: it hangs", what)
	}
}
