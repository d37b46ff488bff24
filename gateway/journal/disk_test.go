package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// idle waits until the writer has nothing to do.
func idle(t *testing.T, j *Journal) {
	t.Helper()
	eventually(t, "the writer is idle", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(j.dirty) == 0 && len(j.lazy) == 0 && len(j.urgent) == 0
	})
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
			j := open(t, Options{Dir: dir})
			for i := range 200 {
				execute(t, j, key("%d", i), "reply")
			}
			idle(t, j)
			fail(t, j, filepath.Join(dir, "journal.db"))
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
	dir := filepath.Join(t.TempDir(), "data")
	j, err := prepare(Options{Dir: dir, MaxEntries: 50})
	if err != nil {
		t.Fatal(err)
	}
	_ = j.writer.store.file.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(i int) {
		if _, err := j.Begin(key("%d", i), true); err != nil {
			t.Fatal(err)
		}
		if _, err := j.intend(key("%d", i)); err != nil {
			t.Fatal(err)
		}
		j.flush()
		j.Finish(key("%d", i), []byte("reply"))
	}
	for i := range 1000 {
		write(i)
		if n := len(j.dirty); n > 110 {
			t.Fatalf("%d changes wait after %d writes", n, i)
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	j.writer.failed = time.Time{} // the time between attempts is over
	go j.run()
	execute(t, j, key("after"), "reply")
	closeJournal(t, j)
	j = open(t, Options{Dir: dir})
	want(t, j, key("999"), Answered, "reply")
	want(t, j, key("960"), Answered, "reply")
	want(t, j, key("after"), Answered, "reply")
}
