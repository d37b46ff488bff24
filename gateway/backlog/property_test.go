package backlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However additions, replays, failed deliveries and restarts mix: everything comes
// once and in order, and what was dropped was the oldest and is counted.
func TestOrderIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "backlog")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if rapid.Bool().Draw(t, "in memory") {
			dir = ""
		}
		most := rapid.SampledFrom([]int64{64 << 10, mib}).Draw(t, "max")
		m := &model{dir: dir, most: most}
		m.open(t)
		defer func() { _ = m.b.Close() }()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"add", "replay", "lose", "restart", "limit"}).Draw(t, "step") {
			case "add":
				for range rapid.IntRange(1, 120).Draw(t, "records") {
					m.b.Add(record(m.next, rapid.SampledFrom([]int{60, 150, 3000}).Draw(t, "size")))
					m.next++
				}
			case "replay":
				m.replay(t, rapid.IntRange(1, 3).Draw(t, "batches"), nil)
			case "lose":
				m.replay(t, 1, errors.New("lost"))
			case "restart":
				if dir != "" {
					m.close(t)
					m.open(t)
				}
			case "limit":
				m.b.SetLimits(most, rapid.SampledFrom([]int{5, 50, 100_000}).Draw(t, "rate")*100)
			}
		}
		for s := m.b.Stats(); s.Count+int64(s.Waiting) > 0; s = m.b.Stats() {
			m.replay(t, 1, nil)
		}
		m.close(t)
		if total := len(m.got) + int(m.dropped); total != m.next {
			t.Fatalf("%d delivered and %d dropped of %d", len(m.got), m.dropped, m.next)
		}
	})
}

// model is a backlog with what went in and came out.
type model struct {
	dir     string
	most    int64
	b       *Backlog
	next    int    // number of the next record
	got     []int  // those that were delivered
	dropped uint64 // by backlogs that are closed
}

func (m *model) open(t *rapid.T) {
	b, err := prepare(Options{Dir: m.dir, Max: m.most, Rate: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	b.lag = 1000
	m.b = b
	go b.run()
	if err := b.do(context.Background(), func() { b.fit() }); err != nil { // the file is loaded
		t.Fatal(err)
	}
}

func (m *model) close(t *rapid.T) {
	if err := m.b.Close(); err != nil {
		t.Fatal(err)
	}
	if broken, _ := filepath.Glob(filepath.Join(m.dir, "*.broken-*")); m.dir != "" && len(broken) > 0 {
		t.Fatalf("set aside: %v", broken)
	}
	m.dropped += m.b.Stats().Dropped.Total()
	if other := m.b.Stats().Dropped; other.Disk > 0 {
		t.Fatalf("%+v", other)
	}
}

// replay delivers so many batches, if there are some, and then fails.
func (m *model) replay(t *rapid.T, batches int, fail error) {
	if s := m.b.Stats(); s.Count+int64(s.Waiting) == 0 {
		return
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // what is left may be delivered, or be dropped, before there are so many batches
		for ctx.Err() == nil {
			if s := m.b.Stats(); s.Count+int64(s.Waiting) == 0 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := m.b.Replay(ctx, func(_ context.Context, payload []byte) error {
		if fail != nil {
			return fail
		}
		if batches == 0 {
			return enough
		}
		got, err := numbers(payload)
		if err != nil {
			return err
		}
		for _, n := range got {
			if len(m.got) > 0 && n <= m.got[len(m.got)-1] {
				t.Fatalf("%d comes after %d", n, m.got[len(m.got)-1])
			}
			m.got = append(m.got, n)
		}
		batches--
		return nil
	})
	if !errors.Is(err, enough) && !errors.Is(err, context.Canceled) && !(fail != nil && errors.Is(err, fail)) {
		t.Fatalf("replay: %v", err)
	}
}
