package backlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// A disk that is full keeps nothing, and loses nothing: what came meanwhile waits in
// memory through any number of attempts, is delivered from there, and is written when
// there is a place.
func TestFullDisk(t *testing.T) {
	for name, kept := range map[string]int{"from the beginning": 0, "after some were written": 300} {
		for what, space := range map[string]bool{"delivered while it is full": false, "written when there is a place": true} {
			t.Run(name+", "+what, func(t *testing.T) {
				dir := storetest.SmallDisk(t, 256)
				var log lines
				b := open(t, Options{Dir: dir, Logger: storetest.LogTo(&log)})
				add(b, 0, kept)
				synced(t, b)
				filler := storetest.FillDisk(t, dir, 0)
				add(b, kept, 500)
				storetest.Eventually(t, "the disk is found full", func() bool { return b.Stats().Err != nil })
				for range 10 { // attempts are made meanwhile
					time.Sleep(b.retry)
					if s := b.Stats(); s.Err != nil && log.has("is written again") > 0 {
						t.Fatal("it says that it is written again while the disk is full")
					}
				}
				if s := b.Stats(); s.Dropped.Total() != 0 || int(s.Count)+s.Waiting != 500 {
					t.Fatalf("of 500 records: %+v", s)
				}
				if space {
					if err := os.Remove(filler); err != nil {
						t.Fatal(err)
					}
					synced(t, b)
					if log.has("is written again") != 1 {
						t.Error("it does not say once that it is written again")
					}
				}
				wantRange(t, drain(t, b, 500).received(), 0, 500)
				if n := log.has("cannot be written"); n != 1 {
					t.Errorf("the log says %d times that it cannot be written", n)
				}
			})
		}
	}
}

// However little room the disk has, what is in the file and what waits is all
// delivered, once and in order, while the disk is full.
func TestNearlyFullDisk(t *testing.T) {
	for kept := 0; kept <= 900; kept += 300 {
		for free := int64(0); free <= 96<<10; free += 12 << 10 {
			t.Run(fmt.Sprintf("%d written, %d KiB free", kept, free>>10), func(t *testing.T) {
				dir := storetest.SmallDisk(t, 256)
				b := prepared(t, Options{Dir: dir})
				b.retry, b.patience = time.Hour, time.Hour // nobody waits for the disk
				go b.run()
				defer b.Close()
				add(b, 0, kept)
				synced(t, b)
				storetest.FillDisk(t, dir, free)
				add(b, kept, 1500)
				r := drain(t, b, 1500)
				wantRange(t, r.received(), 0, 1500)
				if n := b.Stats().Dropped.Total(); n != 0 {
					t.Errorf("%d are lost", n)
				}
			})
		}
	}
}

// While the disk is full the oldest that are not just being written give way in memory,
// which is counted as its fault.
func TestFullDiskKeepsTheNewest(t *testing.T) {
	dir := storetest.SmallDisk(t, 256)
	storetest.FillDisk(t, dir, 0)
	b := open(t, Options{Dir: dir, Max: 4 * mib})
	add(b, 0, 100)
	storetest.Eventually(t, "the disk is found full", func() bool { return b.Stats().Err != nil })
	for n := 100; n < 20_000; n += 100 {
		add(b, n, n+100)
		time.Sleep(time.Millisecond) // attempts are made meanwhile
	}
	s := b.Stats()
	if s.Waiting+int(s.Dropped.Total()) != 20_000 || s.Dropped.Disk == 0 || s.Waiting < 3000 {
		t.Errorf("of 20000 records: %+v", s)
	}
	got := drain(t, b, s.Waiting).received()
	if len(got) != s.Waiting || !slices.IsSorted(got) || got[0] < 10_000 || got[len(got)-1] != 19_999 {
		t.Errorf("%d are delivered, from %d to %d: %+v", len(got), got[0], got[len(got)-1], s)
	}
}

// What was delivered while the disk was too full to let it go is deleted when there is
// room again, so that the next process does not deliver it a second time.
func TestDeliveredOnAFullDisk(t *testing.T) {
	dir := storetest.SmallDisk(t, 256)
	b := open(t, Options{Dir: dir})
	add(b, 0, 800)
	synced(t, b)
	filler := storetest.FillDisk(t, dir, 0)
	add(b, 800, 1500)
	storetest.Eventually(t, "the disk is found full", func() bool { return b.Stats().Err != nil })
	ctx, cancel := context.WithCancel(storetest.Within(t))
	r := &receiver{}
	r.after = func(total int) {
		if total >= 500 {
			cancel()
		}
	}
	if err := b.Replay(ctx, r.deliver); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	synced(t, b)
	closeBacklog(t, b)
	b = open(t, Options{Dir: dir})
	r.after = nil
	drainTo(t, b, r, 1500)
	wantRange(t, r.received(), 0, 1500)
}
