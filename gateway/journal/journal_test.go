package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeysDifferInEveryPart(t *testing.T) {
	seen := map[Key]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"b", "a"}} {
		var raw [][]byte
		for _, p := range parts {
			raw = append(raw, []byte(p))
		}
		k := NewKey(raw...)
		if other, same := seen[k]; same {
			t.Errorf("%q has the key of %s", parts, other)
		}
		seen[k] = fmt.Sprintf("%q", parts)
	}
}

func TestStatesOfARequest(t *testing.T) {
	for _, o := range []Options{{}, {Dir: t.TempDir()}} {
		for _, write := range []bool{false, true} {
			t.Run(fmt.Sprintf("on disk %v, write %v", o.Dir != "", write), func(t *testing.T) {
				j := open(t, o)
				k := key("write %v", write)
				want(t, j, k, New, "")
				if _, err := j.Begin(k, write); err != nil {
					t.Fatal(err)
				}
				want(t, j, k, Running, "")
				commit(t, j, k)
				want(t, j, k, Running, "")
				j.Finish(k, []byte("reply"))
				want(t, j, k, Answered, "reply")
				j.Finish(k, []byte("another")) // of nothing that runs
				j.Forget(k)
				want(t, j, k, Answered, "reply")
			})
		}
	}
}

func TestAnswerWithoutReply(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	execute(t, j, key("broadcast"), "")
	want(t, j, key("broadcast"), Answered, "")
}

func TestForgottenMayBeTriedAgain(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	for _, committed := range []bool{false, true} {
		k := key("committed %v", committed)
		if _, err := j.Begin(k, true); err != nil {
			t.Fatal(err)
		}
		if committed {
			commit(t, j, k)
		}
		j.Forget(k)
		want(t, j, k, New, "")
	}
	closeJournal(t, j)
	j = open(t, Options{Dir: dir})
	want(t, j, key("committed false"), New, "")
	want(t, j, key("committed true"), New, "")
}

// The same request made on purpose twice, told from a redelivery by the caller.
func TestNewRequestUnderAKnownKey(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	k := key("frame")
	begin := func() {
		t.Helper()
		if err := j.BeginNew(k, true); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, j, k, "first")
	begin()
	want(t, j, k, Running, "")
	j.Forget(k) // refused: what the first one came to is valid again
	want(t, j, k, Answered, "first")

	begin()
	begin()
	commit(t, j, k)
	j.Finish(k, []byte("second"))
	want(t, j, k, Running, "") // the third
	want(t, afterKill(t, dir), k, Unknown, "")
	j.Finish(k, []byte("third"))
	want(t, j, k, Answered, "third")

	begin()
	commit(t, j, k)
	want(t, afterKill(t, dir), k, Unknown, "")
	j.Forget(k)
	closeJournal(t, j)
	j = open(t, Options{Dir: dir})
	want(t, j, k, Answered, "third")
	if n := j.Status().Entries; n != 1 {
		t.Errorf("%d entries of one request", n)
	}
}

// device counts how often each request is executed.
type device struct {
	mu    sync.Mutex
	count map[Key]int
}

func (d *device) execute(k Key) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count[k]++
	return fmt.Appendf(nil, "done %x", k[:4])
}

// deliver does with a request what a gateway does.
func deliver(j *Journal, d *device, k Key) error {
	e, err := j.Begin(k, true)
	if err != nil {
		return err
	}
	switch want := fmt.Sprintf("done %x", k[:4]); {
	case e.State == New:
		if err := j.Commit(context.Background(), k); err != nil {
			return err
		}
		j.Finish(k, d.execute(k))
	case e.State == Answered && string(e.Reply) != want:
		return fmt.Errorf("answered %q, want %q", e.Reply, want)
	case e.State == Unknown:
		return errors.New("the outcome of a request of this process is unknown")
	}
	return nil
}

// A sender that never sees an acknowledgement delivers everything again and again,
// at the same time as others do, before and after restarts.
func TestRedeliveredRequestsAreExecutedOnce(t *testing.T) {
	const requests, deliveries, restarts = 1000, 4, 3
	dir, d := t.TempDir(), &device{count: map[Key]int{}}
	for range restarts {
		j := open(t, Options{Dir: dir})
		var all []int
		for range deliveries {
			all = append(all, rand.Perm(requests)...)
		}
		var next atomic.Int64
		var senders sync.WaitGroup
		for range 16 {
			senders.Go(func() {
				for i := next.Add(1) - 1; int(i) < len(all); i = next.Add(1) - 1 {
					if err := deliver(j, d, key("request %d", all[i])); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		senders.Wait()
		closeJournal(t, j)
	}
	if len(d.count) != requests {
		t.Errorf("%d requests were executed, want %d", len(d.count), requests)
	}
	for k, n := range d.count {
		if n != 1 {
			t.Errorf("request %x was executed %d times", k[:4], n)
		}
	}
}

func TestEntriesLiveForKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, Options{Keep: time.Minute})
		for _, write := range []bool{false, true} {
			if _, err := j.Begin(key("slow %v", write), write); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		for _, write := range []bool{false, true} {
			want(t, j, key("slow %v", write), Running, "")
			j.Finish(key("slow %v", write), []byte("late"))
		}
		time.Sleep(time.Minute - time.Nanosecond)
		want(t, j, key("slow true"), Answered, "late")
		want(t, j, key("slow false"), Answered, "late")
		time.Sleep(time.Nanosecond)
		if s := j.Status(); s.Entries != 0 || s.Bytes != 0 {
			t.Errorf("after the time is up: %+v", s)
		}
		want(t, j, key("slow true"), New, "")
	})
}

func TestOldestGoReadsFirstNothingThatRuns(t *testing.T) {
	j := open(t, Options{MaxEntries: 30})
	begin := func(kind string, write bool) {
		for i := range 10 {
			if _, err := j.Begin(key("%s %d", kind, i), write); err != nil {
				t.Fatal(err)
			}
		}
	}
	finish := func(kind string) {
		for i := range 10 {
			j.Finish(key("%s %d", kind, i), []byte("x"))
		}
	}
	begin("running", true)
	begin("write", true)
	finish("write")
	begin("read", false)
	finish("read")
	if n := j.Status().Entries; n != 30 {
		t.Fatalf("%d entries", n)
	}
	begin("later", true)
	finish("later")
	want(t, j, key("write 0"), Answered, "x")
	for i := range 5 {
		execute(t, j, key("last %d", i), "x")
	}
	for i := range 10 {
		want(t, j, key("running %d", i), Running, "")
		want(t, j, key("later %d", i), Answered, "x")
	}
	want(t, j, key("write 9"), Answered, "x")
	want(t, j, key("read 9"), New, "")
	want(t, j, key("write 0"), New, "")
	if n := j.Status().Entries; n > 30 {
		t.Errorf("%d entries", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	j := open(t, Options{MaxBytes: 100_000})
	for i := range 1000 {
		execute(t, j, key("%d", i), string(make([]byte, 1000)))
		if b := j.Status().Bytes; b > 100_000 {
			t.Fatalf("%d bytes after %d requests", b, i)
		}
	}
	if n := j.Status().Entries; n < 50 {
		t.Errorf("only %d entries are left", n)
	}
	execute(t, j, key("huge"), string(make([]byte, 200_000)))
	if e, _ := j.Begin(key("huge"), true); e.State != Answered {
		t.Errorf("the write that was answered last is %v", e.State)
	}
}

func TestAsManyAsAllowedMayRun(t *testing.T) {
	j := open(t, Options{MaxEntries: 3})
	for i := range 4 {
		if _, err := j.Begin(key("%d", i), true); (err == nil) != (i < 3) || i == 3 && !errors.Is(err, ErrFull) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if err := j.BeginNew(key("5"), true); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	want(t, j, key("0"), Running, "")
	j.Finish(key("0"), nil)
	want(t, j, key("4"), New, "")
}

func TestWhatIsNotBegunHasNoIntent(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	if err := j.Commit(t.Context(), key("nothing")); !errors.Is(err, ErrNotDurable) {
		t.Errorf("commit of nothing: %v", err)
	}
	j.Finish(key("nothing"), []byte("x"))
	want(t, j, key("nothing"), New, "")
}

func TestClosedJournalSaysSo(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	closeJournal(t, j)
	closeJournal(t, j)
	if _, err := j.Begin(key("late"), true); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(t.Context(), key("late")); !errors.Is(err, ErrNotDurable) {
		t.Errorf("commit after the end: %v", err)
	}
}

func TestCommitEndsWithItsContext(t *testing.T) {
	j, err := prepare(Options{Dir: t.TempDir()}) // nobody writes: a disk that hangs
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Begin(key("slow"), true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := j.Commit(ctx, key("slow")); !errors.Is(err, ErrNotDurable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit on a disk that hangs: %v", err)
	}
	want(t, j, key("slow"), Running, "")
	j.Forget(key("slow"))
	go j.run()
	closeJournal(t, j)
}

func TestStatesHaveNames(t *testing.T) {
	if got := fmt.Sprint(New, Running, Answered, Unknown, State(9)); got != "new running answered unknown State(9)" {
		t.Error(got)
	}
}
