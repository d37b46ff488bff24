package backlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

// delivery is one batch that a child delivered.
type delivery struct {
	process string
	numbers []int
}

func deliveries(t *testing.T, dir string) (all []delivery) {
	t.Helper()
	written, err := storetest.Notes(dir, noteDelivered)
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
	ctx, cancel := context.WithCancel(storetest.Within(t))
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
	if broken := storetest.Broken(t, dir); len(broken) > 0 {
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
	kept, err := storetest.Notes(dir, noteKept)
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
	dir := storetest.Dir(t)
	storetest.KillAtAnyTime(t, dir, roleBusy, rounds, true, 40*time.Millisecond, nil)
	delivered := wantKept(t, dir)
	t.Logf("%d records", delivered)
	if delivered < 10*rounds {
		t.Errorf("only %d records in %d rounds", delivered, rounds)
	}
}

// leftBehind makes what an earlier process left.
func leftBehind(t *testing.T) (dir string) {
	t.Helper()
	c := &childGateway{dir: storetest.Dir(t)}
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
	return c.dir
}

// Of a process that begins and of one that goes on.
func TestRow26KilledAtEverySystemCall(t *testing.T) {
	left := []string{storetest.Dir(t), leftBehind(t)}
	storetest.KillAtEveryCall(t, fileName, roleOnce, left, 25*time.Second, func(dir string) { wantKept(t, dir) })
}

// A disk that fails in the middle and works again: nothing that was kept is lost,
// nothing is delivered twice.
func TestFailingSystemCalls(t *testing.T) {
	storetest.FailSomeCalls(t, fileName, roleOnce, leftBehind(t), func(t *testing.T, dir string) { wantKept(t, dir) })
}

func TestRow27FullDisk(t *testing.T) {
	storetest.NeedLimit(t)
	_, printed := storetest.Start(t, storetest.Dir(t), roleFull).End()
	want := []string{
		"full: degraded true, dropped for the disk true, for another reason 0, adding is slow false",
		"room: degraded false",
	}
	if !slices.Equal(printed, want) {
		t.Errorf("the child says %q, want %q", printed, want)
	}
}
