package backlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/store/storetest"
)

// Without a usable directory records wait in memory, are counted when they find no
// room there, and are delivered.
func TestUnusableDirectory(t *testing.T) {
	var log bytes.Buffer
	dir, _ := storetest.Unusable(t)
	b := open(t, Options{Dir: dir, Logger: storetest.LogTo(&log), Max: 4 * mib})
	add(b, 0, 100)
	storetest.Eventually(t, "it is degraded", func() bool { return b.Stats().Err != nil })
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
	if n := strings.Count(log.String(), "cannot be written"); n != 1 {
		t.Errorf("%d lines in the log say that it fails, want one: %s", n, log.String())
	}
	told, lines := uint64(0), 0
	for _, after := range strings.Split(log.String(), "dropped=")[1:] {
		var n uint64
		if _, err := fmt.Sscan(after, &n); err != nil {
			t.Error(err)
		}
		told, lines = told+n, lines+1
	}
	if told != s.Dropped.Disk || lines > 2 {
		t.Errorf("the log says in %d lines that %d are lost, want %d in at most two", lines, told, s.Dropped.Disk)
	}
}

func TestDirectoryThatBecomesUsable(t *testing.T) {
	dir, repair := storetest.Unusable(t)
	b := open(t, Options{Dir: dir})
	add(b, 0, 100)
	storetest.Eventually(t, "it is degraded", func() bool { return b.Stats().Err != nil })
	repair()
	synced(t, b)
	if n := b.Stats().Count; n != 100 {
		t.Errorf("%d are kept", n)
	}
	closeBacklog(t, b)
	b = open(t, Options{Dir: dir})
	wantRange(t, drain(t, b, 100).received(), 0, 100)
}

// However the file fails under the open backlog: it goes on, what is lost is
// counted, and what is left comes in order.
func TestRow27FileThatFails(t *testing.T) {
	for name, fail := range storetest.Failures() {
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
				fail(t, filepath.Join(dir, fileName))
				go b.run()
				if !reading {
					add(b, 1000, 1010)
					synced(t, b)
				}
				ctx, cancel := context.WithCancel(storetest.Within(t))
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
				if s.Dropped.Disk == 0 && !reading {
					t.Error("nothing is lost")
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
