package backlog

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"modferry/gateway/store/storetest"
)

func TestOldestGoFirstWhenFull(t *testing.T) {
	const most = 256 << 10
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Max: most})
	const total = 10_000
	for n := 0; n < total; n += 100 {
		add(b, n, n+100)
		storetest.Eventually(t, "it is written", func() bool { return b.Stats().Waiting < 100 })
	}
	synced(t, b)
	s := b.Stats()
	if s.Dropped.Full == 0 || s.Dropped.Disk+s.Dropped.Memory != 0 || s.Count+int64(s.Dropped.Full) != total {
		t.Errorf("%+v", s)
	}
	if s.Bytes < most/2 || s.Bytes > most {
		t.Errorf("%d bytes are kept of at most %d", s.Bytes, most)
	}
	wantRange(t, drain(t, b, int(s.Count)).received(), int(s.Dropped.Full), total)
}

func TestOldestGoFirstInMemory(t *testing.T) {
	for _, c := range []struct{ most, want int64 }{{64 << 10, 64 << 10}, {64 * mib, memoryMax}} {
		b := open(t, Options{Max: c.most})
		const total = 30_000
		add(b, 0, total)
		s := b.Stats()
		if int64(s.Waiting)*(150+perItem) > c.want || int64(s.Waiting+1)*(150+perItem) < c.want {
			t.Errorf("%d records wait in %d bytes", s.Waiting, c.want)
		}
		if s.Dropped.Full != uint64(total-s.Waiting) {
			t.Errorf("%+v", s)
		}
		wantRange(t, drain(t, b, s.Waiting).received(), total-s.Waiting, total)
	}
}

func TestTooLargeAloneIsDropped(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir(), Max: 64 << 10})
	b.Add(record(0, 150))
	b.Add(record(1, 30_000))
	b.Add(record(2, 150))
	if got := drain(t, b, 2).received(); len(got) != 2 || got[0] != 0 || got[1] != 2 {
		t.Errorf("got %v", got)
	}
	if s := b.Stats(); s.Dropped != (Dropped{Full: 1}) {
		t.Errorf("%+v", s.Dropped)
	}
}

func TestZeroKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	add(b, 0, 100)
	synced(t, b)
	b.SetLimits(0, 200)
	storetest.Eventually(t, "nothing is kept", func() bool { s := b.Stats(); return s.Count == 0 && s.Dropped.Full == 100 })
	add(b, 100, 200)
	if s := b.Stats(); s.Waiting != 0 || s.Dropped.Full != 200 {
		t.Errorf("%+v", s)
	}
	b.SetLimits(mib, 200)
	add(b, 200, 210)
	wantRange(t, drain(t, b, 10).received(), 200, 210)
}

// fill adds so many records, in step with the disk.
func fill(t testing.TB, b *Backlog, from, to, size int) {
	t.Helper()
	for n := from; n < to; n++ {
		b.Add(record(n, size))
		if n%500 == 0 {
			storetest.Eventually(t, "it is written", func() bool { return b.Stats().Waiting < 1000 })
		}
	}
	synced(t, b)
}

func fileSize(t testing.TB, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// The file stays below its bound however often it fills and drains, wholly or in
// part, with records of any size.
func TestFileIsBounded(t *testing.T) {
	cycles := 5
	if testing.Short() {
		cycles = 2
	}
	for _, most := range []int64{64 << 10, mib} {
		for _, size := range []int{150, 2100, 0} {
			dir := t.TempDir()
			b := open(t, Options{Dir: dir, Max: most})
			storetest.Eventually(t, "what is there is within the limit", func() bool { return len(b.limits) == 0 })
			n, highest := 0, int64(0)
			for range cycles {
				looked := int64(0)
				for written := int64(0); written < most*3/2; {
					s := size
					if s == 0 {
						s = 60 + rand.IntN(6000)
					}
					b.Add(record(n, s))
					n, written = n+1, written+int64(s)
					if written-looked > 32<<10 {
						looked = written
						storetest.Eventually(t, "it is written", func() bool { return b.Stats().Waiting < 100 })
						highest = max(highest, fileSize(t, dir))
					}
				}
				synced(t, b)
				highest = max(highest, fileSize(t, dir))
				kept := b.Stats()
				if kept.Bytes < most/4 {
					t.Errorf("only %d bytes are kept of %d, in records of %d", kept.Bytes, most, size)
				}
				drain(t, b, int(kept.Count)*rand.IntN(10)/10)
				if s := b.Stats(); s.Dropped != kept.Dropped {
					t.Errorf("nothing came, and records gave way while others were delivered: %+v, before %+v", s, kept)
				}
			}
			if highest > most+margin {
				t.Errorf("the file grew to %d KiB, at most %d were allowed, with records of %d", highest>>10, most>>10, size)
			}
			t.Logf("at most %d KiB, records of %d: the file grew to %d KiB", most>>10, size, highest>>10)
			closeBacklog(t, b)
		}
	}
}

func TestLargeFileIsRemovedWhenEmpty(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Max: 2 * mib})
	fill(t, b, 0, 5000, 200)
	if size := fileSize(t, dir); size < mib {
		t.Errorf("the file has %d bytes", size)
	}
	drain(t, b, 5000)
	if size := fileSize(t, dir); size != 0 {
		t.Errorf("the file has still %d bytes", size)
	}
	add(b, 0, 10)
	synced(t, b)
	wantRange(t, drain(t, b, 10).received(), 0, 10)
}

func TestSmallerMaxShrinksTheFile(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Max: 4 * mib})
	fill(t, b, 0, 12_000, 200)
	b.SetLimits(256<<10, 100_000)
	storetest.Eventually(t, "the file is smaller", func() bool { return fileSize(t, dir) <= 320<<10 })
	synced(t, b)
	s := b.Stats()
	if s.Count+int64(s.Dropped.Full) != 12_000 || s.Dropped.Disk != 0 || s.Count < 500 {
		t.Errorf("%+v", s)
	}
	wantRange(t, drain(t, b, int(s.Count)).received(), 12_000-int(s.Count), 12_000)
}
