package storetest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// KillAtAnyTime starts a child and kills it within a time that is drawn, again and
// again. If it is ready the child has printed a line before that time begins.
func KillAtAnyTime(t *testing.T, dir, role string, rounds int, ready bool, most time.Duration, check func()) {
	t.Helper()
	for range rounds {
		p := Start(t, dir, role)
		if ready {
			p.lines.Scan()
		}
		time.Sleep(rand.N(most))
		p.Kill()
		if check != nil {
			check()
		}
		if t.Failed() {
			return
		}
	}
}

// KillAtEveryCall kills a child at the first system call that changes files, then at
// the second, and so on: every call of every kind is once the last thing that is not
// done any more. The child begins with a copy of each directory in turn, and does its
// work on the file with the first thread. It needs strace.
func KillAtEveryCall(t *testing.T, file, role string, left []string, within time.Duration, check func(dir string)) {
	t.Helper()
	strace := gatewaytest.Need(t, "strace")
	if testing.Short() {
		t.Skip("runs the child many times")
	}
	total, until := 0, time.Now().Add(within)
	for _, call := range []string{"/^rename", "/^unlink", "fsync", "ftruncate", "pwrite64", "fdatasync", "openat", "flock", "write"} {
		for _, from := range left {
			n := 1
			for ; n <= 1000; n++ {
				if time.Now().After(until) {
					t.Logf("the time is up at %s number %d", call, n)
					break
				}
				dir := Copy(t, from)
				p := Start(t, dir, role, traced(strace, dir, file, fmt.Sprintf("%s:signal=SIGKILL:when=%d", call, n))...)
				killed, _ := p.End()
				if check(dir); t.Failed() {
					t.Fatalf("killed at %s number %d", call, n)
				}
				if !killed {
					break
				}
			}
			t.Logf("%s: killed %d times", call, n-1)
			total += n - 1
		}
	}
	if total < 20 {
		t.Errorf("only %d kills: does strace see the calls?", total)
	}
}

// FailCalls runs a child to its end while some of its system calls fail, as strace's
// option inject says, such as "pwrite64:error=ENOSPC:when=3..6". The child begins with
// a copy of a directory, and does its work on the file with the first thread.
func FailCalls(t *testing.T, file, role, left, injection string) (dir string, printed []string) {
	t.Helper()
	dir = Copy(t, left)
	p := Start(t, dir, role, traced(gatewaytest.Need(t, "strace"), dir, file, injection)...)
	killed, printed := p.End()
	if killed {
		t.Error("killed")
	}
	return dir, printed
}

// FailSomeCalls does that with calls of each kind that writes, on a disk that fails
// in the middle and works again.
func FailSomeCalls(t *testing.T, file, role, left string, check func(t *testing.T, dir string)) {
	for _, injection := range []string{
		"pwrite64:error=ENOSPC:when=3..6", "pwrite64:error=ENOSPC:when=4..12", "pwrite64:error=EIO:when=7",
		"fdatasync:error=EIO:when=2", "fdatasync:error=EIO:when=4", "fdatasync:error=EIO:when=3..4",
		"fdatasync:error=EIO:when=5..8", "fdatasync:error=ENOSPC:when=2..8", "ftruncate:error=ENOSPC:when=1..2",
		"/^rename:error=EROFS:when=1", "openat:error=EACCES:when=1..4", "fsync:error=EIO:when=1..3",
	} {
		t.Run(strings.ReplaceAll(injection, "/^", ""), func(t *testing.T) {
			dir, _ := FailCalls(t, file, role, left, injection)
			check(t, dir)
		})
	}
}

// traced puts strace in front of a child, which does something to the system calls
// of its first thread that touch the file. strace counts the calls of each thread and
// each kind for themselves.
func traced(strace, dir, file, injection string) []string {
	call, _, _ := strings.Cut(injection, ":")
	args := []string{strace, "-f", "-qq", "-o", filepath.Join(filepath.Dir(dir), "calls"), "-e", "trace=" + call, "-e", "inject=" + injection}
	for _, path := range []string{dir, filepath.Join(dir, file), filepath.Join(dir, file+".new")} {
		args = append(args, "-P", path)
	}
	return args
}
