package journal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

// wantOnce checks what a child left: the journal opens, and nothing was executed
// twice or could be executed again.
func wantOnce(t *testing.T, dir string) (writes int) {
	t.Helper()
	names, err := executed(dir)
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

// rounds returns how often a child is killed at any time.
func rounds() int {
	if testing.Short() {
		return 5
	}
	return 40
}

func TestKilledAtAnyTime(t *testing.T) {
	dir, writes := storetest.Dir(t), 0
	storetest.KillAtAnyTime(t, dir, roleBusy, rounds(), true, 40*time.Millisecond, func() { writes = wantOnce(t, dir) })
	t.Logf("%d writes, each executed once", writes)
	if writes < rounds() {
		t.Errorf("only %d writes in %d rounds", writes, rounds())
	}
}

// What a start does with the files is interrupted too, and finds what a kill left.
func TestKilledWhileStarting(t *testing.T) {
	dir := storetest.Dir(t)
	storetest.KillAtAnyTime(t, dir, roleBusy, rounds(), false, 60*time.Millisecond, nil)
	wantOnce(t, dir)
}

// leftBehind makes what an earlier process left: replies, and intents of writes that were executed.
func leftBehind(t *testing.T) (dir string) {
	t.Helper()
	c := &childGateway{dir: storetest.Dir(t)}
	c.j = open(t, Options{Dir: c.dir})
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
	return c.dir
}

func TestKilledAtEverySystemCall(t *testing.T) {
	storetest.KillAtEveryCall(t, fileName, roleOnce, []string{leftBehind(t)}, time.Minute, func(dir string) { wantOnce(t, dir) })
}

// A disk that fails in the middle and works again: what is not durable is refused,
// everything else goes on.
func TestFailingSystemCalls(t *testing.T) {
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
			dir, printed := storetest.FailCalls(t, fileName, roleOnce, before, injection)
			wantOnce(t, dir)
			names, err := executed(dir)
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
	storetest.NeedLimit(t)
	dir := storetest.Dir(t)
	_, printed := storetest.Start(t, dir, roleFull).End()
	if len(printed) != 2 || !strings.HasPrefix(printed[0], "full, degraded true refused ") || printed[1] != "room, degraded false" {
		t.Errorf("the child says %q", printed)
	}
	if writes := wantOnce(t, dir); writes < 100 || writes > 1400 {
		t.Errorf("%d of 1500 writes found room in 64 KiB", writes)
	}
}

func TestBoundedWhileTheDiskFails(t *testing.T) {
	storetest.NeedLimit(t)
	dir := storetest.Dir(t)
	storetest.Start(t, dir, roleLong).End()
	j := open(t, Options{Dir: dir, MaxEntries: 50})
	wantSound(t, j, dir)
	want(t, j, key("999"), Answered, "reply")
	want(t, j, key("960"), Answered, "reply")
	want(t, j, key("after"), Answered, "done after")
}
