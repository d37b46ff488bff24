package journal

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

func TestUnusableDirectoryFallsBackToMemory(t *testing.T) {
	var log bytes.Buffer
	dir, _ := storetest.Unusable(t)
	j := open(t, Options{Dir: dir, Logger: storetest.LogTo(&log)})
	if !j.Degraded() || !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("degraded %v, log %s", j.Degraded(), log.String())
	}
	for i := range 100 { // the caller executes nevertheless
		if e, err := j.Begin(key("%d", i), true); err != nil || e.State != New {
			t.Fatalf("%v, %v", e.State, err)
		}
		if err := j.Commit(storetest.Within(t), key("%d", i)); !errors.Is(err, ErrNotDurable) {
			t.Fatalf("commit: %v", err)
		}
		j.Finish(key("%d", i), []byte("reply"))
		want(t, j, key("%d", i), Answered, "reply")
	}
	if n := j.Status().Undurable; n != 100 {
		t.Errorf("%d failures are counted", n)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log, want one", n)
	}
	if err := j.Close(); err == nil {
		t.Error("closing does not say that writes are not on disk")
	}
}

func TestDirectoryThatBecomesUsable(t *testing.T) {
	dir, repair := storetest.Unusable(t)
	j, err := prepare(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Begin(key("before"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := j.intend(key("before")); err != nil {
		t.Fatal(err)
	}
	j.flush()
	j.Finish(key("before"), []byte("reply"))
	j.flush()
	repair()
	j.writer.failed = time.Time{} // the time between attempts is over
	go j.run()
	execute(t, j, key("after"), "reply")
	if j.Degraded() {
		t.Error("still degraded")
	}
	closeJournal(t, j)
	j = open(t, Options{Dir: dir})
	want(t, j, key("before"), Answered, "reply")
	want(t, j, key("after"), Answered, "reply")
}

// However the file fails under the open journal, it is begun anew with all that is remembered.
func TestFileThatFails(t *testing.T) {
	for name, fail := range storetest.Failures() {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			j, err := prepare(Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				if _, err := j.Begin(key("%d", i), true); err != nil {
					t.Fatal(err)
				}
				j.Finish(key("%d", i), []byte("reply"))
				j.flush()
			}
			fail(t, filepath.Join(dir, fileName))
			go j.run()
			execute(t, j, key("after"), "reply")
			if j.Degraded() {
				t.Error("degraded")
			}
			closeJournal(t, j)
			j = open(t, Options{Dir: dir})
			wantSound(t, j, dir)
			for i := range 200 {
				want(t, j, key("%d", i), Answered, "reply")
			}
			want(t, j, key("after"), Answered, "reply")
		})
	}
}

func TestClosingWithoutWritesIsNoFailure(t *testing.T) {
	dir, _ := storetest.Unusable(t)
	j := open(t, Options{Dir: dir})
	if _, err := j.Begin(key("read"), false); err != nil {
		t.Fatal(err)
	}
	j.Finish(key("read"), []byte("value"))
	closeJournal(t, j)
}
