package gatewaytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	exitTimeout = 5 * time.Second // from SIGTERM to the end of a process
	lineTimeout = 15 * time.Second
)

// Process is a running program whose output is collected.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	ended  chan struct{} // closed when the process has ended and all its output is collected
}

// Start runs modferry with args until the test ends. Then it gets SIGTERM, and the
// test fails if it does not exit within 5 s or if it saw a data race.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	return StartProgram(t, Binary(t), args...)
}

// StartProgram does for any program what [Start] does for modferry.
func StartProgram(t testing.TB, path string, args ...string) *Process {
	t.Helper()
	p := launch(t, exec.Command(path, args...))
	t.Cleanup(func() {
		p.Stop()
		if strings.Contains(p.stderr.String(), "WARNING: DATA RACE") {
			t.Errorf("%s saw a data race", filepath.Base(path))
		}
		p.show()
	})
	return p
}

// launch starts cmd and collects its output. The caller sees to its end.
func launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	complaints, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", cmd.Path, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.stdout.collect(out) })
	reading.Go(func() { p.stderr.collect(complaints) })
	go func() {
		reading.Wait()
		_ = cmd.Wait() // its state is in cmd.ProcessState
		close(p.ended)
	}()
	return p
}

// Line waits for a line on stdout that contains part, and returns it. It fails the
// test if none comes in time or the process ends without one.
func (p *Process) Line(part string) string {
	p.t.Helper()
	return p.line(p.stdout, "stdout", part)
}

// ErrorLine does the same on stderr.
func (p *Process) ErrorLine(part string) string {
	p.t.Helper()
	return p.line(p.stderr, "stderr", part)
}

func (p *Process) line(o *output, name, part string) string {
	p.t.Helper()
	line, ok := o.await(part, p.ended, lineTimeout)
	if !ok {
		p.t.Fatalf("no line with %q on %s", part, name)
	}
	return line
}

// Stdout returns all lines so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns all lines so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Wait waits for the end and returns the exit code, -1 after a signal that ended it.
func (p *Process) Wait(timeout time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(timeout):
		p.Kill()
		p.t.Errorf("%s has not ended within %v", filepath.Base(p.cmd.Path), timeout)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop sends SIGTERM and returns the exit code; the test fails if the process takes longer than 5 s.
func (p *Process) Stop() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(exitTimeout)
}

// Kill ends the process without giving it a chance, and waits for that.
func (p *Process) Kill() {
	p.Signal(os.Kill)
	<-p.ended
}

// show logs the output if the test has failed.
func (p *Process) show() {
	if p.t.Failed() {
		p.t.Logf("%s\nstdout:\n%s\nstderr:\n%s", strings.Join(p.cmd.Args, " "), p.stdout, p.stderr)
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }
