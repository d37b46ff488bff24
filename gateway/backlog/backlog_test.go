package backlog

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/store/storetest"
)

func TestReplayInOrder(t *testing.T) {
	for name, dir := range map[string]string{"disk": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			b := open(t, Options{Dir: dir})
			add(b, 0, 1050)
			if dir != "" {
				synced(t, b)
			}
			r := drain(t, b, 1050)
			wantRange(t, r.received(), 0, 1050)
			if n := len(r.payloads); n != 11 {
				t.Errorf("%d batches, want 11", n)
			}
			if s := b.Stats(); s.Replayed != 1050 || s.Dropped.Total() != 0 || s.Bytes != 0 {
				t.Errorf("%+v", s)
			}
			add(b, 1050, 1100)
			wantRange(t, drain(t, b, 50).received(), 1050, 1100)
		})
	}
}

func TestRestartKeepsWhatWasAdded(t *testing.T) {
	dir := t.TempDir()
	for from := 0; from < 500; from += 100 {
		b := open(t, Options{Dir: dir})
		add(b, from, from+100)
		closeBacklog(t, b)
	}
	b := open(t, Options{Dir: dir})
	storetest.Eventually(t, "the file is loaded", func() bool { return b.Stats().Count == 500 })
	if s := b.Stats(); s.Bytes != 500*150 || s.File == 0 || s.Err != nil {
		t.Errorf("%+v", s)
	}
	wantRange(t, drain(t, b, 500).received(), 0, 500)
	closeBacklog(t, b)
	b = open(t, Options{Dir: dir})
	add(b, 500, 501)
	wantRange(t, drain(t, b, 1).received(), 500, 501)
	if broken := storetest.Broken(t, dir); len(broken) > 0 {
		t.Errorf("set aside: %v", broken)
	}
}

// An addition is on disk within the lag, with all that came meanwhile, in one transaction.
func TestAdditionsShareATransaction(t *testing.T) {
	dir := t.TempDir()
	b := prepared(t, Options{Dir: dir})
	b.lag = time.Second
	go b.run()
	t.Cleanup(func() { _ = b.Close() })
	add(b, 0, 1)
	synced(t, b)
	before := storetest.Transactions(t, filepath.Join(dir, fileName))
	for n := 1; n <= 20; n++ {
		b.Add(record(n, 150))
		time.Sleep(time.Millisecond)
	}
	synced(t, b)
	if after := storetest.Transactions(t, filepath.Join(dir, fileName)); after-before > 2 {
		t.Errorf("%d transactions for what came in 20 ms", after-before)
	}
}

func TestNoFileBeforeThereIsSomethingToKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := open(t, Options{Dir: dir})
	closeBacklog(t, b)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a directory (%v)", err)
	}
}

// A delivery that failed is tried again with the same payload, and blocks what comes after it.
func TestFailedDeliveryIsRepeated(t *testing.T) {
	for name, dir := range map[string]string{"disk": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			b := open(t, Options{Dir: dir})
			add(b, 0, 30)
			lost := errors.New("the connection was lost")
			r := &receiver{fail: lost}
			for range 3 {
				if err := b.Replay(storetest.Within(t), r.deliver); !errors.Is(err, lost) {
					t.Fatalf("replay: %v", err)
				}
				add(b, 30, 40)
			}
			for _, p := range r.payloads[1:] {
				if !bytes.Equal(p, r.payloads[0]) {
					t.Errorf("the payload was\n%s, and then\n%s", r.payloads[0], p)
				}
			}
			if s := b.Stats(); s.Replayed != 0 {
				t.Errorf("%d replayed", s.Replayed)
			}
			wantRange(t, drain(t, b, 60).received()[:40], 0, 40)
		})
	}
}

func TestBatchesAreBounded(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir()})
	sizes := []int{150, 40_000, 40_000, 30_000, 100_000, 150, 150, 66_000, 150}
	for n, size := range sizes {
		b.Add(record(n, size))
	}
	r := drain(t, b, len(sizes))
	wantRange(t, r.received(), 0, len(sizes))
	for _, p := range r.payloads {
		got, _ := numbers(p)
		if len(p) > message.MaxHistoryBytes && len(got) > 1 {
			t.Errorf("%d records in %d bytes", len(got), len(p))
		}
	}
	if n := len(r.payloads); n < 6 {
		t.Errorf("%d batches", n)
	}
}

func TestRow25ReplayKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{Rate: 200, Max: 4 * mib})
		add(b, 0, 5000)
		start := time.Now()
		type arrival struct {
			at time.Duration
			n  int
		}
		var arrivals []arrival
		ctx, cancel := context.WithCancel(t.Context())
		total := 0
		err := b.Replay(ctx, func(_ context.Context, payload []byte) error {
			got, err := numbers(payload)
			if err != nil {
				return err
			}
			total += len(got)
			arrivals = append(arrivals, arrival{time.Since(start), len(got)})
			if total == 5000 {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		took := time.Since(start)
		if want := 24500 * time.Millisecond; took < want || took > want+time.Second {
			t.Errorf("5000 readings at 200 per second took %v", took)
		}
		for i := range arrivals { // in no window more than its time allows, and one batch
			n := 0
			for j := i; j < len(arrivals); j++ {
				n += arrivals[j].n
				if most := 100 + 200*(arrivals[j].at-arrivals[i].at).Seconds(); float64(n) > most+1 {
					t.Fatalf("%d readings from %v to %v", n, arrivals[i].at, arrivals[j].at)
				}
			}
		}
	})
}

func TestLowRateIsSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{Rate: 2})
		add(b, 0, 10)
		start, most := time.Now(), 0
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_ = b.Replay(ctx, func(_ context.Context, payload []byte) error {
			got, err := numbers(payload)
			most = max(most, len(got))
			return err
		})
		if n := b.Stats().Replayed; n < 6 || n > 8 || most > 2 {
			t.Errorf("%d readings in %v, up to %d at once", n, time.Since(start), most)
		}
	})
}

func TestRateOfALiveReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{Rate: 1})
		add(b, 0, 2000)
		time.AfterFunc(10*time.Second, func() { b.SetLimits(mib, 1000) })
		ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
		defer cancel()
		r := &receiver{}
		_ = b.Replay(ctx, r.deliver)
		wantRange(t, r.received(), 0, 2000)
	})
}

// What is being delivered is not dropped under it, so that nothing is both delivered and dropped.
func TestBatchInDeliveryIsNotDropped(t *testing.T) {
	for name, dir := range map[string]string{"disk": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			b := open(t, Options{Dir: dir, Max: 64 << 10})
			add(b, 0, 100)
			r := &receiver{fail: errors.New("lost")}
			_ = b.Replay(storetest.Within(t), r.deliver)
			first, _ := numbers(r.payloads[0])
			for n := 100; n < 1000; n += 50 {
				add(b, n, n+50)
				if dir != "" {
					synced(t, b)
				}
			}
			s := b.Stats()
			left := int(s.Count) + s.Waiting
			if s.Dropped.Full == 0 || left+int(s.Dropped.Full) != 1000 {
				t.Errorf("%+v", s)
			}
			got := drain(t, b, left).received()
			wantRange(t, got[:len(first)], 0, len(first))
			wantRange(t, got[len(first):], 1000-left+len(first), 1000)
		})
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	add(b, 0, 10)
	synced(t, b)
	start := time.Now()
	_, err := Open(Options{Dir: dir, Max: mib})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opened twice: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	wantRange(t, drain(t, b, 10).received(), 0, 10)
}

func TestClosed(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir()})
	add(b, 0, 1)
	closeBacklog(t, b)
	closeBacklog(t, b)
	add(b, 1, 2)
	if n := b.Stats().Dropped.Memory; n != 1 {
		t.Errorf("%d dropped", n)
	}
	if err := b.Replay(storetest.Within(t), (&receiver{}).deliver); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("replay of a closed backlog: %v", err)
	}
}

func TestReplayIsForOneAtATime(t *testing.T) {
	b := open(t, Options{})
	add(b, 0, 1)
	began, end := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(storetest.Within(t))
	var first sync.WaitGroup
	first.Go(func() {
		_ = b.Replay(ctx, func(context.Context, []byte) error {
			close(began)
			<-end
			return nil
		})
	})
	<-began
	if err := b.Replay(ctx, (&receiver{}).deliver); err == nil {
		t.Error("two replays at a time")
	}
	close(end)
	cancel()
	first.Wait()
}

// Adding goes on at once while the disk hangs: nothing of it waits for the writer.
func TestAddDoesNotWaitForTheDisk(t *testing.T) {
	b := prepared(t, Options{Dir: t.TempDir(), Max: 4 * mib}) // no writer at all
	added := make(chan struct{})
	go func() {
		add(b, 0, 20_000)
		close(added)
	}()
	select {
	case <-added:
	case <-storetest.Within(t).Done():
		t.Fatal("adding waits")
	}
	s := b.Stats()
	if s.Waiting == 0 || s.Dropped.Memory == 0 || s.Waiting+int(s.Dropped.Memory) != 20_000 {
		t.Errorf("%+v", s)
	}
	go b.run()
	wantRange(t, drain(t, b, s.Waiting).received(), 20_000-s.Waiting, 20_000)
	closeBacklog(t, b)
}
