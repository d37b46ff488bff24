package backlog

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

// The memory of the process does not grow with the backlog: neither while it fills,
// nor after a restart, nor while it drains.
func TestRow24MemoryStaysSmall(t *testing.T) {
	most := int64(64 * mib)
	if testing.Short() {
		most = 16 * mib
	}
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Max: most})
	before := heap()
	n := 0
	for size := int64(0); size < most*9/8; size += 1000 {
		b.Add(record(n, 1000))
		if n++; n%200 == 0 {
			storetest.Eventually(t, "it is written", func() bool { return b.Stats().Waiting < 200 })
		}
	}
	synced(t, b)
	s := b.Stats()
	if s.File < most*3/4 || s.File > most+margin || s.Dropped.Full == 0 {
		t.Errorf("%+v", s)
	}
	check := func(when string) {
		t.Helper()
		if grown := heap() - before; grown > 8*mib {
			t.Errorf("%s: the heap grew by %d KiB", when, grown>>10)
		}
		if rss := mappedFiles(); rss > 32*mib {
			t.Errorf("%s: %d KiB of files are in memory", when, rss>>10)
		} else {
			t.Logf("%s: heap %d KiB more, mapped files %d KiB, %+v", when, (heap()-before)>>10, rss>>10, b.Stats())
		}
	}
	check("full")
	closeBacklog(t, b)
	start := time.Now()
	b = open(t, Options{Dir: dir, Max: most})
	storetest.Eventually(t, "the file is loaded", func() bool { return b.Stats().Count > s.Count*9/10 })
	t.Logf("loaded after %v", time.Since(start))
	check("loaded")
	half, enough := int(s.Count)/2, errors.New("enough")
	got := 0
	start = time.Now()
	err := b.Replay(storetest.Within(t), func(_ context.Context, payload []byte) error {
		if got >= half {
			return enough
		}
		got += strings.Count(string(payload), `{"n":`)
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	t.Logf("%d readings were replayed in %v", got, time.Since(start))
	check("half drained")
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// mappedFiles returns the bytes of files, the program's own among them, that count
// as memory of the process; 0 if the system does not say.
func mappedFiles() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "RssFile:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

func BenchmarkAdd(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), Max: 64 * mib})
	r := record(0, 150)
	b.ReportAllocs()
	for b.Loop() {
		l.Add(r)
	}
}

func BenchmarkAddOnDisk(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), Max: 64 * mib})
	r := record(0, 150)
	for n := 0; b.Loop(); n++ {
		l.Add(r)
		if n%1000 == 0 {
			for l.Stats().Waiting > 2000 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	for l.Stats().Waiting > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	if n := l.Stats().Dropped.Memory; n > 0 {
		b.Errorf("%d were dropped", n)
	}
}

func BenchmarkReplay(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), Max: 256 * mib, Rate: 100_000_000})
	fill(b, l, 0, 50_000, 150)
	stop := errors.New("enough")
	n := 0
	for b.Loop() { // one batch of 100
		err := l.Replay(context.Background(), func(context.Context, []byte) error {
			if n++; n%2 == 0 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			b.Fatal(err)
		}
		if l.Stats().Count < 1000 {
			b.StopTimer()
			fill(b, l, 0, 50_000, 150)
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(l.Stats().Replayed)/b.Elapsed().Seconds(), "readings/s")
}
