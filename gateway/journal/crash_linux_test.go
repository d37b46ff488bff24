package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// place returns where a child works: a directory for the journal, beside the list of what was executed.
func place(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantOnce checks what a child left: the journal opens, and nothing was executed
// twice or could be executed again.
func wantOnce(t *testing.T, dir string) (writes int) {
	t.Helper()
	names, err := executed(filepath.Join(filepath.Dir(dir), "executed"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	wantSound(t, j, dir)
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			t.Errorf("%q was executed twice", name)
		}
		seen[name] = true
		e, err := j.Begin(key("%s", name), true)
		reply := string(e.Reply)
		switch {
		case err != nil || e.State == New:
			t.Errorf("%q was executed, and its state is %v (%v)", name, e.State, err)
		case e.State == Answered && reply != "done "+name && reply != "unknown "+name:
			t.Errorf("%q is answered %q", name, reply)
		}
	}
	return len(names)
}

func TestKilledAtAnyTime(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	dir, writes := place(t), 0
	for range rounds {
		cmd, lines := start(t, dir, roleBusy)
		lines.Scan() // ready
		time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		end(t, cmd, lines)
		if writes = wantOnce(t, dir); t.Failed() {
			return
		}
	}
	t.Logf("%d writes, each executed once", writes)
	if writes < rounds {
		t.Errorf("only %d writes in %d rounds", writes, rounds)
	}
}

// What a start does with the files is interrupted too, and finds what a kill left.
func TestKilledWhileStarting(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	dir := place(t)
	for range rounds {
		cmd, lines := start(t, dir, roleBusy)
		time.Sleep(time.Duration(rand.IntN(60_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		end(t, cmd, lines)
	}
	wantOnce(t, dir)
}

// leftBehind makes what an earlier process left: replies, and intents of writes that were executed.
func leftBehind(t *testing.T) (dir string) {
	t.Helper()
	dir = place(t)
	c := &childGateway{executed: filepath.Join(filepath.Dir(dir), "executed"), j: open(t, Options{Dir: dir})}
	for i := range 5 {
		if err := c.deliver(fmt.Sprintf("%d before", i)); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%d before, without a reply", i)
		if _, err := c.j.Begin(key("%s", name), true); err != nil {
			t.Fatal(err)
		}
		commit(t, c.j, key("%s", name))
		if err := c.execute(name); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, c.j)
	return dir
}

func copyPlace(t *testing.T, from string) (dir string) {
	t.Helper()
	dir = place(t)
	copyFile(t, filepath.Join(from, "journal.db"), filepath.Join(dir, "journal.db"))
	copyFile(t, filepath.Join(filepath.Dir(from), "executed"), filepath.Join(filepath.Dir(dir), "executed"))
	return dir
}

// traced puts strace in front of a child, which does something to the system calls
// of its first thread that touch the journal's files. strace counts the calls of
// each thread and each kind for themselves.
func traced(t *testing.T, strace, dir, injection string) []string {
	t.Helper()
	call, _, _ := strings.Cut(injection, ":")
	args := []string{strace, "-f", "-qq", "-o", filepath.Join(filepath.Dir(dir), "calls"), "-e", "trace=" + call, "-e", "inject=" + injection}
	for _, path := range []string{dir, filepath.Join(dir, "journal.db"), fresh(filepath.Join(dir, "journal.db"))} {
		args = append(args, "-P", path)
	}
	return args
}

// What changes files: every call of every kind is once the last thing that is not done any more.
func TestKilledAtEverySystemCall(t *testing.T) {
	strace := gatewaytest.Need(t, "strace")
	if testing.Short() {
		t.Skip("runs the child hundreds of times")
	}
	before := leftBehind(t)
	total, until := 0, time.Now().Add(60*time.Second)
	for _, call := range []string{"/^rename", "/^unlink", "fsync", "ftruncate", "openat", "flock", "write", "fdatasync", "pwrite64"} {
		n := 1
		for ; n <= 1000; n++ {
			if time.Now().After(until) {
				t.Logf("the time is up at %s number %d", call, n)
				break
			}
			dir := copyPlace(t, before)
			cmd, lines := start(t, dir, roleOnce, traced(t, strace, dir, fmt.Sprintf("%s:signal=SIGKILL:when=%d", call, n))...)
			killed, _ := end(t, cmd, lines)
			wantOnce(t, dir)
			if t.Failed() {
				t.Fatalf("killed at %s number %d", call, n)
			}
			if !killed {
				break
			}
		}
		t.Logf("%s: killed %d times", call, n-1)
		total += n - 1
	}
	if total < 20 {
		t.Errorf("only %d kills: does strace see the calls?", total)
	}
}

// A disk that fails in the middle and works again: what is not durable is refused,
// everything else goes on.
func TestFailingSystemCalls(t *testing.T) {
	strace := gatewaytest.Need(t, "strace")
	before := leftBehind(t)
	for injection, refused := range map[string]bool{
		"pwrite64:error=ENOSPC:when=9..14": true,
		"pwrite64:error=ENOSPC:when=8+":    true,
		"pwrite64:error=EIO:when=7":        false, // the file is begun anew in time
		"fdatasync:error=EIO:when=6..9":    true,
		"fdatasync:error=EIO:when=7":       false,
		"fdatasync:error=ENOSPC:when=1+":   true,
		"ftruncate:error=ENOSPC:when=1+":   true,
		"/^rename:error=EROFS:when=1+":     true,
		"openat:error=EACCES:when=1+":      true,
		"fsync:error=EIO:when=1+":          true,
	} {
		t.Run(strings.ReplaceAll(injection, "/^", ""), func(t *testing.T) {
			dir := copyPlace(t, before)
			cmd, lines := start(t, dir, roleOnce, traced(t, strace, dir, injection)...)
			killed, printed := end(t, cmd, lines)
			if killed {
				t.Error("killed")
			}
			wantOnce(t, dir)
			names, err := executed(filepath.Join(filepath.Dir(dir), "executed"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if strings.Contains(name, "one by one") && slices.Contains(printed, "refused "+name) {
					t.Errorf("%q was refused, and executed", name)
				}
			}
			if refused != (len(printed) > 0) {
				t.Errorf("%d writes were refused", len(printed))
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	dir := place(t)
	cmd, lines := start(t, dir, roleFull)
	_, printed := end(t, cmd, lines)
	if len(printed) != 2 || !strings.HasPrefix(printed[0], "full, degraded true refused ") || printed[1] != "room, degraded false" {
		t.Errorf("the child says %q", printed)
	}
	if writes := wantOnce(t, dir); writes < 100 || writes > 1400 {
		t.Errorf("%d of 1500 writes found room in 64 KiB", writes)
	}
}
