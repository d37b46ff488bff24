package backlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

const mib = 1 << 20

func TestMain(m *testing.M) {
	storetest.Main(m, map[string]func(string) error{
		roleOnce: child((*childGateway).once), roleBusy: child((*childGateway).busy), roleFull: child((*childGateway).full),
	})
}

// open opens a backlog that is closed when the test ends.
func open(t testing.TB, o Options) *Backlog {
	t.Helper()
	b := prepared(t, o)
	go b.run()
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// prepared returns a backlog whose writer is not started, so that the test may set its times.
func prepared(t testing.TB, o Options) *Backlog {
	t.Helper()
	if o.Max == 0 {
		o.Max = mib
	}
	if o.Rate == 0 {
		o.Rate = 100_000
	}
	b, err := prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	b.lag, b.retry, b.patience = 10*time.Millisecond, 20*time.Millisecond, 120*time.Millisecond
	return b
}

func closeBacklog(t testing.TB, b *Backlog) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// record is what the tests keep: a number, and padding.
func record(n, size int) []byte {
	r := fmt.Appendf(nil, `{"n":%d,"pad":"`, n)
	for len(r) < size-2 {
		r = append(r, 'x')
	}
	return append(r, `"}`...)
}

func add(b *Backlog, from, to int) {
	for n := from; n < to; n++ {
		b.Add(record(n, 150))
	}
}

// numbers returns what is in a payload.
func numbers(payload []byte) ([]int, error) {
	var records []struct{ N int }
	if err := json.Unmarshal(payload, &records); err != nil {
		return nil, fmt.Errorf("the payload is no JSON: %w: %s", err, payload)
	}
	all := make([]int, len(records))
	for i, r := range records {
		all[i] = r.N
	}
	return all, nil
}

// receiver is the broker's side.
type receiver struct {
	mu       sync.Mutex
	all      []int
	payloads [][]byte
	fail     error // of the next deliveries
	after    func(total int)
}

func (r *receiver) deliver(_ context.Context, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.payloads = append(r.payloads, payload)
	if r.fail != nil {
		return r.fail
	}
	got, err := numbers(payload)
	if err != nil {
		return err
	}
	r.all = append(r.all, got...)
	if r.after != nil {
		r.after(len(r.all))
	}
	return nil
}

func (r *receiver) received() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]int(nil), r.all...)
}

// drain replays until so many records have come, and deleted them.
func drain(t testing.TB, b *Backlog, n int) *receiver {
	t.Helper()
	r := &receiver{}
	drainTo(t, b, r, n)
	return r
}

func drainTo(t testing.TB, b *Backlog, r *receiver, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(storetest.Within(t))
	defer cancel()
	before := b.Stats()
	all := n >= int(before.Count)+before.Waiting
	ended := make(chan error, 1)
	go func() { ended <- b.Replay(ctx, r.deliver) }()
	storetest.Eventually(t, fmt.Sprintf("%d records are delivered and deleted", n), func() bool {
		s := b.Stats()
		return len(r.received()) >= n && (s.Count == 0 && s.Waiting == 0 || !all)
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("replay ended with %v", err)
	}
}

// wantRange fails the test unless got is from, from+1 ... to-1.
func wantRange(t testing.TB, got []int, from, to int) {
	t.Helper()
	if len(got) != to-from {
		t.Errorf("%d records, want %d", len(got), to-from)
	}
	for i, n := range got {
		if n != from+i {
			t.Fatalf("record %d is number %d, want %d", i, n, from+i)
		}
	}
}

// synced waits until nothing waits in memory.
func synced(t testing.TB, b *Backlog) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%+v", b.Stats())
		}
	}()
	storetest.Eventually(t, "all is on disk", func() bool { s := b.Stats(); return s.Waiting == 0 && s.Err == nil })
}
