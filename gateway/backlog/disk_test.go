package backlog

import (
	"bytes"
	"context"
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

// Without a usable directory records wait in memory, are counted when they find no
// room there, and are delivered.
func TestUnusableDirectory(t *testing.T) {
	var log bytes.Buffer
	dir, _ := unusable(t)
	b := open(t, Options{Dir: dir, Logger: logTo(&log), Max: 4 * mib})
	add(b, 0, 100)
	eventually(t, "it is degraded", func() bool { return b.Stats().Err != nil })
	add(b, 100, 20_000)
	s := b.Stats()
	if s.Dropped.Disk == 0 || s.Dropped.Full+s.Dropped.Memory != 0 || s.Waiting+int(s.Dropped.Disk) != 20_000 {
		t.Errorf("%+v", s)
	}
	wantRange(t, drain(t, b, s.Waiting).received(), 20_000-s.Waiting, 20_000)
	add(b, 0, 10)
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "10 readings") {
		t.Errorf("closing does not say what is lost: %v", err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("%d lines in the log, want one: %s", n, log.String())
	}
}

func TestDirectoryThatBecomesUsable(t *testing.T) {
	dir, repair := unusable(t)
	b := open(t, Options{Dir: dir})
	add(b, 0, 100)
	eventually(t, "it is degraded", func() bool { return b.Stats().Err != nil })
	repair()
	synced(t, b)
	if n := b.Stats().Count; n != 100 {
		t.Errorf("%d are kept", n)
	}
	closeBacklog(t, b)
	b = open(t, Options{Dir: dir})
	wantRange(t, drain(t, b, 100).received(), 0, 100)
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		t.Skip("this user may write everywhere")
	}
	b := open(t, Options{Dir: dir})
	add(b, 0, 100)
	eventually(t, "it is degraded", func() bool { return errors.Is(b.Stats().Err, os.ErrPermission) })
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	synced(t, b)
	wantRange(t, drain(t, b, 100).received(), 0, 100)
}

// However the file fails under the open backlog: it goes on, what is lost is
// counted, and what is left comes in order.
func TestRow27FileThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(t *testing.T, b *Backlog, path string)
		lost bool
	}{
		"descriptor is gone": {func(_ *testing.T, b *Backlog, _ string) { _ = b.writer.store.file.Close() }, false},
		"file is removed": {func(t *testing.T, _ *Backlog, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, true},
		"directory is removed": {func(t *testing.T, _ *Backlog, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, true},
		"file is replaced": {func(t *testing.T, _ *Backlog, path string) {
			if err := os.WriteFile(path+"x", []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+"x", path); err != nil {
				t.Fatal(err)
			}
		}, true},
		"file is cut off under the memory map": {func(t *testing.T, _ *Backlog, path string) {
			if err := os.Truncate(path, 4096); err != nil {
				t.Fatal(err)
			}
		}, true},
		"pages are overwritten": {func(t *testing.T, _ *Backlog, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 40_000), 8192); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		for _, reading := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", then read"}[reading], func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				b := prepared(t, Options{Dir: dir})
				for n := 0; n < 1000; n += 100 {
					add(b, n, n+100)
					if err := b.flush(); err != nil {
						t.Fatal(err)
					}
				}
				c.fail(t, b, filepath.Join(dir, fileName))
				go b.run()
				if !reading {
					add(b, 1000, 1010)
					synced(t, b)
				}
				ctx, cancel := context.WithCancel(within(t))
				r := &receiver{}
				r.after = func(int) {
					if r.all[len(r.all)-1] == 1009 {
						cancel()
					}
				}
				ended := make(chan error, 1)
				go func() { ended <- b.Replay(ctx, r.deliver) }()
				if reading {
					add(b, 1000, 1010)
				}
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Fatalf("replay: %v, %+v", err, b.Stats())
				}
				got, s := r.received(), b.Stats()
				if len(got)+int(s.Dropped.Disk) != 1010 || s.Dropped.Total() != s.Dropped.Disk {
					t.Errorf("%d delivered, %+v", len(got), s)
				}
				if lost := s.Dropped.Disk > 0; lost != c.lost && !reading {
					t.Errorf("%d are lost", s.Dropped.Disk)
				}
				for i, n := range got {
					if i > 0 && n <= got[i-1] {
						t.Fatalf("%d comes after %d", n, got[i-1])
					}
				}
				if got[len(got)-1] != 1009 {
					t.Errorf("the last is %d", got[len(got)-1])
				}
				closeBacklog(t, b)
			})
		}
	}
}

func TestLogOfADiskThatIsNearlyFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := prepared(t, Options{Logger: logTo(&log)})
		for range 10 {
			for range 100 {
				b.note(errors.New("no space left on device"))
				b.note(nil)
			}
			time.Sleep(warnEvery)
		}
		if n := strings.Count(log.String(), "\n"); n != 20 {
			t.Errorf("%d lines in ten minutes, want 20", n)
		}
	})
}
