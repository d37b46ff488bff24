package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// unusable returns a directory below a file, which no user can make.
func unusable(t *testing.T) (dir string, repair func()) {
	t.Helper()
	parent := filepath.Join(t.TempDir(), "parent")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "data"), func() {
		if err := os.Remove(parent); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnusableDirectoryFallsBackToMemory(t *testing.T) {
	var log bytes.Buffer
	dir, _ := unusable(t)
	j := open(t, Options{Dir: dir, Logger: logTo(&log)})
	if !j.Degraded() || !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("degraded %v, log %s", j.Degraded(), log.String())
	}
	for i := range 100 { // the caller executes nevertheless
		if e, err := j.Begin(key("%d", i), true); err != nil || e.State != New {
			t.Fatalf("%v, %v", e.State, err)
		}
		if err := j.Commit(within(t), key("%d", i)); !errors.Is(err, ErrNotDurable) {
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
	dir, repair := unusable(t)
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
	for name, fail := range map[string]func(*testing.T, *Journal, string){
		"descriptor is gone": func(_ *testing.T, j *Journal, _ string) { _ = j.writer.store.file.Close() },
		"file is removed": func(t *testing.T, _ *Journal, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"directory is removed": func(t *testing.T, _ *Journal, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		},
		"file is replaced": func(t *testing.T, _ *Journal, path string) {
			if err := os.WriteFile(path+"x", []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+"x", path); err != nil {
				t.Fatal(err)
			}
		},
		"file is cut off under the memory map": func(t *testing.T, _ *Journal, path string) {
			if err := os.Truncate(path, 4096); err != nil {
				t.Fatal(err)
			}
		},
		"pages are overwritten": func(t *testing.T, _ *Journal, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 200_000), 8192); err != nil {
				t.Fatal(err)
			}
		},
	} {
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
			fail(t, j, filepath.Join(dir, "journal.db"))
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

// A disk that fails for long takes no more and more memory.
func TestBoundedWhileTheDiskFails(t *testing.T) {
	dir := t.TempDir()
	j, err := prepare(Options{Dir: dir, MaxEntries: 50})
	if err != nil {
		t.Fatal(err)
	}
	s := j.writer.store
	if err := s.db.Close(); err != nil { // every transaction fails from now on
		t.Fatal(err)
	}
	if s.file, err = os.Open(filepath.Join(dir, "journal.db")); err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	j.writer.failed = time.Now().Add(time.Hour) // and the file cannot be begun anew
	for i := range 1000 {
		k := key("%d", i)
		if _, err := j.Begin(k, true); err != nil {
			t.Fatal(err)
		}
		wait, err := j.intend(k)
		if err != nil {
			t.Fatal(err)
		}
		j.flush()
		if err := <-wait; err == nil {
			t.Fatal("the disk does not fail")
		}
		j.Finish(k, []byte("reply"))
		if n := len(j.dirty); n > 110 {
			t.Fatalf("%d changes wait after %d writes", n, i)
		}
	}
	j.writer.failed = time.Time{}
	go j.run()
	execute(t, j, key("after"), "reply")
	closeJournal(t, j)
	j = open(t, Options{Dir: dir, MaxEntries: 50})
	wantSound(t, j, dir)
	want(t, j, key("999"), Answered, "reply")
	want(t, j, key("960"), Answered, "reply")
	want(t, j, key("after"), Answered, "reply")
}

func TestLogOfADiskThatIsNearlyFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		j := open(t, Options{Logger: logTo(&log)})
		for range 10 {
			for range 100 {
				j.note(errors.New("no space left on device"))
				j.note(nil)
			}
			time.Sleep(warnEvery)
		}
		if n := strings.Count(log.String(), "\n"); n != 20 {
			t.Errorf("%d lines in ten minutes, want 20", n)
		}
	})
}

func TestClosingWithoutWritesIsNoFailure(t *testing.T) {
	dir, _ := unusable(t)
	j := open(t, Options{Dir: dir})
	if _, err := j.Begin(key("read"), false); err != nil {
		t.Fatal(err)
	}
	j.Finish(key("read"), []byte("value"))
	closeJournal(t, j)
}
