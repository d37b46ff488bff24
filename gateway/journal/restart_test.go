package journal

import (
	"errors"
	"sync"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

func TestRestartKnowsWrites(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	execute(t, j, key("write"), "reply")
	if _, err := j.Begin(key("read"), false); err != nil {
		t.Fatal(err)
	}
	commit(t, j, key("read"))
	j.Finish(key("read"), []byte("value"))
	closeJournal(t, j)
	for range 3 {
		j = open(t, Options{Dir: dir})
		wantSound(t, j, dir)
		want(t, j, key("write"), Answered, "reply")
		want(t, j, key("read"), New, "") // in memory only
		closeJournal(t, j)
	}
}

func TestStateAfterAKillAtEachPoint(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	k := key("write")
	if _, err := j.Begin(k, true); err != nil {
		t.Fatal(err)
	}
	want(t, afterKill(t, dir), k, New, "") // before Commit
	commit(t, j, k)
	want(t, afterKill(t, dir), k, Unknown, "") // after it
	j.Finish(k, []byte("reply"))
	if e, _ := afterKill(t, dir).Begin(k, true); e.State != Unknown && e.State != Answered {
		t.Errorf("after Finish: %v", e.State)
	}
	storetest.Eventually(t, "the reply is on disk", func() bool {
		e, _ := afterKill(t, dir).Begin(k, true)
		return e.State == Answered && string(e.Reply) == "reply"
	})

	if _, err := j.Begin(key("refused"), true); err != nil {
		t.Fatal(err)
	}
	commit(t, j, key("refused"))
	j.Forget(key("refused"))
	storetest.Eventually(t, "the intent is gone from the disk", func() bool {
		e, _ := afterKill(t, dir).Begin(key("refused"), true)
		return e.State == New
	})
}

func TestUnknownIsAnsweredOnceTold(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	if _, err := j.Begin(key("lost"), true); err != nil {
		t.Fatal(err)
	}
	commit(t, j, key("lost"))
	closeJournal(t, j)

	j = open(t, Options{Dir: dir})
	want(t, j, key("lost"), Unknown, "")
	want(t, j, key("lost"), Unknown, "") // asked again before it is told
	j.Finish(key("lost"), []byte("outcome unknown"))
	want(t, j, key("lost"), Answered, "outcome unknown")
	closeJournal(t, j)
	want(t, open(t, Options{Dir: dir}), key("lost"), Answered, "outcome unknown")
}

// clock is a wall clock that can be set.
type clock struct {
	mu   sync.Mutex
	step time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.step).Round(0)
}

func (c *clock) set(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}

const tenYears = 10 * 365 * 24 * time.Hour

func TestAgeOverARestart(t *testing.T) {
	for _, c := range []struct {
		name             string
		step             time.Duration
		answered, intent State
	}{
		{"at once", 0, Answered, Unknown},
		{"within the time", 9 * time.Minute, Answered, Unknown},
		{"later", 11 * time.Minute, New, Unknown},
		{"the clock went ahead", tenYears, New, Unknown},
		{"the clock went back", -tenYears, Answered, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, wall := t.TempDir(), &clock{}
			j := open(t, Options{Dir: dir, Now: wall.now})
			execute(t, j, key("answered"), "reply")
			if _, err := j.Begin(key("intent"), true); err != nil {
				t.Fatal(err)
			}
			commit(t, j, key("intent"))
			closeJournal(t, j)
			wall.set(c.step)
			j = open(t, Options{Dir: dir, Now: wall.now})
			for k, state := range map[string]State{"answered": c.answered, "intent": c.intent} {
				if e, _ := j.Begin(key("%s", k), true); e.State != state {
					t.Errorf("%s: %v, want %v", k, e.State, state)
				}
			}
		})
	}
}

// Over a restart an entry lives for what is left of its time, and never longer than Keep.
func TestNothingLivesForEver(t *testing.T) {
	const keep = 300 * time.Millisecond
	dir, wall := t.TempDir(), &clock{}
	j := open(t, Options{Dir: dir, Now: wall.now, Keep: keep})
	execute(t, j, key("answered"), "reply")
	if _, err := j.Begin(key("intent"), true); err != nil {
		t.Fatal(err)
	}
	commit(t, j, key("intent"))
	closeJournal(t, j)
	wall.set(-tenYears)
	j = open(t, Options{Dir: dir, Now: wall.now, Keep: keep})
	start := time.Now()
	storetest.Eventually(t, "everything is forgotten", func() bool { return j.Status().Entries == 0 })
	if took := time.Since(start); took < keep-100*time.Millisecond || took > keep+5*time.Second {
		t.Errorf("it took %v, want about %v", took, keep)
	}
	closeJournal(t, j)
	if n := open(t, Options{Dir: dir, Now: wall.now, Keep: keep}).Status().Entries; n != 0 {
		t.Errorf("%d entries are still on disk", n)
	}
}

func TestClockStepsWhileRunning(t *testing.T) {
	dir, wall := t.TempDir(), &clock{}
	j := open(t, Options{Dir: dir, Now: wall.now, MaxEntries: 50})
	if _, err := j.Begin(key("running"), true); err != nil {
		t.Fatal(err)
	}
	commit(t, j, key("running"))
	for i, step := range []time.Duration{tenYears, -tenYears, 0} {
		wall.set(step)
		execute(t, j, key("write %d", i), "reply")
		for before := range i + 1 {
			want(t, j, key("write %d", before), Answered, "reply")
		}
		want(t, j, key("running"), Running, "")
	}
	for i := range 200 { // times of all kinds do not add up
		wall.set(time.Duration(i%3-1) * tenYears)
		execute(t, j, key("more %d", i), "reply")
	}
	want(t, j, key("running"), Running, "")
	closeJournal(t, j)
	j = open(t, Options{Dir: dir, Now: wall.now, MaxEntries: 50})
	want(t, j, key("running"), Unknown, "")
	if n := j.Status().Entries; n > 50 {
		t.Errorf("%d entries", n)
	}
}

func TestBoundsHoldOverARestart(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	for i := range 100 {
		execute(t, j, key("%d", i), "reply")
	}
	closeJournal(t, j)
	j = open(t, Options{Dir: dir, MaxEntries: 10})
	if n := j.Status().Entries; n != 10 {
		t.Errorf("%d entries, want 10", n)
	}
	want(t, j, key("99"), Answered, "reply")
	want(t, j, key("90"), Answered, "reply")
	if e, _ := j.Begin(key("89"), true); e.State != New {
		t.Errorf("the eleventh newest is %v", e.State)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	execute(t, j, key("write"), "reply")
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v", err)
	}
	execute(t, j, key("another"), "reply") // the first one is not disturbed
	closeJournal(t, j)
	j = open(t, Options{Dir: dir})
	wantSound(t, j, dir)
	want(t, j, key("write"), Answered, "reply")
	want(t, j, key("another"), Answered, "reply")
}
