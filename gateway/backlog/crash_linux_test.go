package backlog

import (
	"context"
	"encoding/json"
	"errors"
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

// place returns where a child works: a directory for the backlog, beside what it writes down.
func place(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// delivery is one batch that a child delivered.
type delivery struct {
	process string
	numbers []int
}

func deliveries(t *testing.T, dir string) (all []delivery) {
	t.Helper()
	written, err := lines(filepath.Join(filepath.Dir(dir), "delivered"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range written {
		process, list, _ := strings.Cut(line, " ")
		d := delivery{process: process}
		if err := json.Unmarshal([]byte(list), &d.numbers); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// wantKept checks what children left: the backlog opens, every record that was kept
// was delivered or is delivered now, in order; none twice by one process, and only
// the last batch of a process again by the next one.
func wantKept(t *testing.T, dir string) (delivered int) {
	t.Helper()
	b := open(t, Options{Dir: dir})
	defer closeBacklog(t, b)
	b.Add(record(1_000_000, 100))
	ctx, cancel := context.WithCancel(within(t))
	r := &receiver{}
	r.after = func(int) {
		if r.all[len(r.all)-1] == 1_000_000 {
			cancel()
		}
	}
	if err := b.Replay(ctx, r.deliver); !errors.Is(err, context.Canceled) {
		t.Fatalf("replay: %v", err)
	}
	if s := b.Stats(); s.Err != nil || s.Dropped.Total() > 0 {
		t.Errorf("%+v", s)
	}
	if broken := brokenFiles(t, dir); len(broken) > 0 {
		t.Errorf("set aside: %v", broken)
	}
	all := deliveries(t, dir)
	now := slices.DeleteFunc(r.received(), func(n int) bool { return n == 1_000_000 })
	all = append(all, delivery{"now", now})
	wantOrder(t, all)
	wantAll(t, dir, all)
	for _, d := range all {
		delivered += len(d.numbers)
	}
	return delivered
}

// wantOrder checks that numbers only grow, except that a process may begin with the
// last batch of the one before.
func wantOrder(t *testing.T, all []delivery) {
	t.Helper()
	last := -1
	for i, d := range all {
		if len(d.numbers) == 0 {
			continue
		}
		if i > 0 && d.process != all[i-1].process && d.numbers[0] <= last {
			if before := all[i-1].numbers; d.numbers[0] != before[0] {
				t.Errorf("process %s begins with %d, the batch before with %d", d.process, d.numbers[0], before[0])
			}
			last = d.numbers[0] - 1
		}
		for _, n := range d.numbers {
			if n <= last {
				t.Fatalf("process %s: %d comes after %d", d.process, n, last)
			}
			last = n
		}
	}
}

func wantAll(t *testing.T, dir string, all []delivery) {
	t.Helper()
	seen := map[int]bool{}
	for _, d := range all {
		for _, n := range d.numbers {
			seen[n] = true
		}
	}
	kept, err := lines(filepath.Join(filepath.Dir(dir), "kept"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range kept {
		var from, to int
		if _, err := fmt.Sscan(line, &from, &to); err != nil {
			t.Fatal(err)
		}
		for n := from; n < to; n++ {
			if !seen[n] {
				t.Fatalf("%d was kept, and is lost", n)
			}
		}
	}
}

func TestRow26KilledAtAnyTime(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	dir, delivered := place(t), 0
	for range rounds {
		cmd, out := start(t, dir, roleBusy)
		out.Scan() // ready
		time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		end(t, cmd, out)
	}
	delivered = wantKept(t, dir)
	t.Logf("%d records", delivered)
	if delivered < 10*rounds {
		t.Errorf("only %d records in %d rounds", delivered, rounds)
	}
}

// leftBehind makes what an earlier process left.
func leftBehind(t *testing.T) (dir string) {
	t.Helper()
	dir = place(t)
	c := &childGateway{dir: dir, logs: filepath.Dir(dir)}
	if err := c.prepare(); err != nil {
		t.Fatal(err)
	}
	go c.b.run()
	for range 3 {
		if err := c.add(100); err != nil {
			t.Fatal(err)
		}
	}
	closeBacklog(t, c.b)
	return dir
}

func copyPlace(t *testing.T, from string) (dir string) {
	t.Helper()
	dir = place(t)
	if err := os.CopyFS(filepath.Dir(dir)+"/copy", os.DirFS(filepath.Dir(from))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(filepath.Dir(dir), "copy", "data")
}

// traced puts strace in front of a child, which does something to the system calls
// of its first thread that touch the backlog's files. strace counts the calls of
// each thread and each kind for themselves.
func traced(t *testing.T, strace, dir, injection string) []string {
	t.Helper()
	call, _, _ := strings.Cut(injection, ":")
	args := []string{strace, "-f", "-qq", "-o", filepath.Join(filepath.Dir(dir), "calls"), "-e", "trace=" + call, "-e", "inject=" + injection}
	for _, path := range []string{dir, filepath.Join(dir, fileName), filepath.Join(dir, fileName+".new")} {
		args = append(args, "-P", path)
	}
	return args
}

// What changes files: every call of every kind is once the last thing that is not
// done any more, of a process that begins and of one that goes on.
func TestRow26KilledAtEverySystemCall(t *testing.T) {
	strace := gatewaytest.Need(t, "strace")
	if testing.Short() {
		t.Skip("runs the child many times")
	}
	before, total, until := []string{place(t), leftBehind(t)}, 0, time.Now().Add(25*time.Second)
	for _, call := range []string{"/^rename", "/^unlink", "fsync", "ftruncate", "openat", "flock", "write", "fdatasync", "pwrite64"} {
		for _, left := range before {
			n := 1
			for ; n <= 1000 && time.Now().Before(until); n++ {
				dir := copyPlace(t, left)
				cmd, out := start(t, dir, roleOnce, traced(t, strace, dir, fmt.Sprintf("%s:signal=SIGKILL:when=%d", call, n))...)
				killed, _ := end(t, cmd, out)
				wantKept(t, dir)
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
	}
	if total < 20 {
		t.Errorf("only %d kills: does strace see the calls?", total)
	}
}

// A disk that fails in the middle and works again: nothing that was kept is lost,
// nothing is delivered twice.
func TestFailingSystemCalls(t *testing.T) {
	strace := gatewaytest.Need(t, "strace")
	before := leftBehind(t)
	for _, injection := range []string{
		"pwrite64:error=ENOSPC:when=3..6",
		"pwrite64:error=EIO:when=7",
		"fdatasync:error=EIO:when=3..4",
		"fdatasync:error=EIO:when=2",
		"fdatasync:error=EIO:when=4",
		"fdatasync:error=EIO:when=5..8",
		"ftruncate:error=ENOSPC:when=1..2",
		"/^rename:error=EROFS:when=1",
		"openat:error=EACCES:when=1..4",
		"fsync:error=EIO:when=1..3",
	} {
		t.Run(strings.ReplaceAll(injection, "/^", ""), func(t *testing.T) {
			dir := copyPlace(t, before)
			cmd, out := start(t, dir, roleOnce, traced(t, strace, dir, injection)...)
			if killed, _ := end(t, cmd, out); killed {
				t.Error("killed")
			}
			wantKept(t, dir)
		})
	}
}

func TestRow27FullDisk(t *testing.T) {
	dir := place(t)
	cmd, out := start(t, dir, roleFull)
	_, printed := end(t, cmd, out)
	want := []string{
		"full: degraded true, dropped for the disk true, for another reason 0, adding is slow false",
		"room: degraded false",
	}
	if !slices.Equal(printed, want) {
		t.Errorf("the child says %q, want %q", printed, want)
	}
}
