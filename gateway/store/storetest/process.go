// Package storetest kills processes that use a store, fails their system calls, and
// damages what they leave behind: for the tests of all packages that keep a file.
//
// A test program that is started again as a child plays a role: it uses the file in
// its directory, and notes beside that what it was promised. The test then checks
// that the promises were kept. A child is told its role by its environment.
package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	dirVariable  = "MODFERRY_STORETEST_DIR"
	roleVariable = "MODFERRY_STORETEST_ROLE"
)

// Main is what TestMain does: it plays the role of a child, or runs the tests, which
// must leave no goroutine behind.
func Main(m *testing.M, roles map[string]func(dir string) error) {
	dir := os.Getenv(dirVariable)
	if dir == "" {
		goleak.VerifyTestMain(m)
		return
	}
	play := roles[os.Getenv(roleVariable)]
	if play == nil {
		fmt.Fprintf(os.Stderr, "there is no role %q\n", os.Getenv(roleVariable))
		os.Exit(1)
	}
	if err := play(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Dir returns an empty directory for the file of a child. Its notes are beside it.
func Dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Copy returns a directory with the same files and notes as another one.
func Copy(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(filepath.Dir(from))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, filepath.Base(from))
}

// Note writes a line down, which is there as soon as it is written, whatever happens
// to the process.
func Note(dir, name, line string) error {
	f, err := os.OpenFile(filepath.Join(filepath.Dir(dir), name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// Notes returns what was written down under a name, in order.
func Notes(dir, name string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }), nil
}

// Process is a child.
type Process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// Start runs a child, with other programs in front of it if need be.
func Start(t *testing.T, dir, role string, before ...string) *Process {
	t.Helper()
	args := slices.Concat(before, []string{os.Args[0]})
	cmd := exec.CommandContext(Within(t), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir, roleVariable+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &Process{t: t, cmd: cmd, lines: bufio.NewScanner(out)}
}

// Kill kills the child, which nothing in it can notice, and waits for its end.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.End()
}

// End waits for the end of the child, and returns whether it was killed and what it
// printed.
func (p *Process) End() (killed bool, printed []string) {
	p.t.Helper()
	for p.lines.Scan() {
		printed = append(printed, p.lines.Text())
	}
	err := p.cmd.Wait()
	if err == nil {
		return false, printed
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, known := exit.Sys().(syscall.WaitStatus); known && status.Signal() == syscall.SIGKILL {
			return true, printed
		}
	}
	p.t.Fatalf("the child: %v", err)
	return false, nil
}

// Within returns a context that ends long after what is waited for should have happened.
func Within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Eventually waits until something is so.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after 20 s: %s", what)
		}
	}
}

// LogTo returns a logger that writes lines of text.
func LogTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
