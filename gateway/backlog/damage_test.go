package backlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const sampleRecords = 300 // enough for a tree of two levels

// sample returns a file with records, of which some before were deleted.
func sample(t testing.TB, records int) []byte {
	t.Helper()
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	add(b, -20, records)
	synced(t, b)
	closeBacklog(t, b)
	b = open(t, Options{Dir: dir, Rate: 20})
	r := &receiver{}
	stop := errors.New("enough")
	_ = b.Replay(within(t), func(ctx context.Context, payload []byte) error {
		if len(r.all) > 0 {
			return stop
		}
		return r.deliver(ctx, payload)
	})
	closeBacklog(t, b)
	content, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// openDamaged opens a backlog that finds content, replays what it knows, which must
// be right and in order, and returns how many those were. Then it must work.
func openDamaged(t *testing.T, dir string, content []byte) (known int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, fileName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, Options{Dir: dir})
	defer closeBacklog(t, b)
	b.Add(record(1_000_000, 150))
	r := &receiver{}
	ended := errors.New("that was the last")
	err := b.Replay(within(t), func(ctx context.Context, payload []byte) error {
		if err := r.deliver(ctx, payload); err != nil {
			return err
		}
		if got := r.all; got[len(got)-1] == 1_000_000 {
			return ended
		}
		return nil
	})
	if !errors.Is(err, ended) {
		t.Fatalf("replay: %v", err)
	}
	for i, n := range r.all[:len(r.all)-1] {
		if n < -20 || n >= sampleRecords || i > 0 && n <= r.all[i-1] {
			t.Fatalf("record %d is number %d", i, n)
		}
	}
	if s := b.Stats(); s.Err != nil {
		t.Errorf("degraded: %v", s.Err)
	}
	return len(r.all) - 1
}

func TestSoundFileIsReadWhole(t *testing.T) {
	for _, records := range []int{1, 3, 50, sampleRecords} {
		dir := t.TempDir()
		if known := openDamaged(t, dir, sample(t, records)); known != records {
			t.Errorf("%d of %d records are known", known, records)
		}
		if broken := brokenFiles(t, dir); len(broken) > 0 {
			t.Errorf("%d records: set aside %v", records, broken)
		}
	}
}

func TestRow26CutOffFile(t *testing.T) {
	content := sample(t, sampleRecords)
	sizes := []int{0, 1, 15, 16, 63, 64, 80, 4095, 4096, 4096 + 80, 8191, 8192, 12288, len(content) - 1, len(content) - 4096}
	for range 40 {
		sizes = append(sizes, rand.IntN(len(content)))
	}
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			known := openDamaged(t, dir, content[:size])
			if len(brokenFiles(t, dir)) == 0 && known < sampleRecords {
				t.Errorf("cut off to %d of %d bytes: %d records are known, and nothing is set aside", size, len(content), known)
			}
		})
	}
}

func TestRow26FlippedBits(t *testing.T) {
	content := sample(t, sampleRecords)
	rounds := 200
	if testing.Short() {
		rounds = 30
	}
	var places []int
	for page := 0; page+64 < len(content); page += os.Getpagesize() { // headers are where it hurts
		for range rounds / 50 {
			places = append(places, page+rand.IntN(64))
		}
	}
	for range rounds {
		places = append(places, rand.IntN(len(content)))
	}
	dir := t.TempDir()
	for _, at := range places {
		bit := rand.IntN(8)
		flipped := bytes.Clone(content)
		flipped[at] ^= 1 << bit
		if openDamaged(t, dir, flipped); t.Failed() {
			t.Fatalf("bit %d of byte %d", bit, at)
		}
	}
	if n := len(brokenFiles(t, dir)); n != 1 {
		t.Errorf("%d files are set aside, want the newest", n)
	}
}

// Bits that change in any page of an inspected file are found, or do no harm: what
// bbolt gets to see must be sound, or it panics where nobody can catch it.
func TestInspectionFindsWhatWouldPanic(t *testing.T) {
	content := sample(t, sampleRecords)
	path := filepath.Join(t.TempDir(), fileName)
	for range 3000 {
		changed := bytes.Clone(content)
		at := rand.IntN(len(content)/os.Getpagesize())*os.Getpagesize() + rand.IntN(128)
		changed[at] ^= 1 << rand.IntN(8)
		found, _ := inspect(bytes.NewReader(changed), int64(len(changed)), nil)
		if found.damaged != nil {
			continue
		}
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(path, 4096)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		s.count, s.last = found.count, found.last
		items, bad, err := s.oldestRecords(1000, mib)
		if err != nil || len(bad) > 0 || int64(len(items)) != found.count {
			t.Fatalf("byte %d: %d of %d records, %v", at, len(items), found.count, err)
		}
		var keys []uint64
		for _, i := range items {
			keys = append(keys, i.key)
		}
		if _, err := s.apply(change{remove: keys, add: []*item{{record: record(1, 100)}}}); err != nil || s.count != 1 {
			t.Fatalf("byte %d: %d records, %v", at, s.count, err)
		}
		s.close()
	}
}

// What is sound is kept: one changed byte in one record costs that record.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content := sample(t, sampleRecords)
	mark := []byte(`{"n":100,`)
	at := bytes.LastIndex(content, mark)
	if at < 0 {
		t.Fatal("no such record")
	}
	for ; at >= 0; at = bytes.LastIndex(content[:at], mark) { // older copies too
		content[at+5] ^= 1
	}
	dir := t.TempDir()
	if known := openDamaged(t, dir, content); known != sampleRecords-1 {
		t.Errorf("%d of %d records are known, want all but one", known, sampleRecords)
	}
	if len(brokenFiles(t, dir)) != 1 {
		t.Error("the file is not set aside")
	}
}

func TestRow26ForeignThingsAreSetAside(t *testing.T) {
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("hello, this is no database"), "random": random, "zeros": make([]byte, mib),
		"another database": bytes.ReplaceAll(sample(t, 3), []byte(bucketName), []byte("anything.1")),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if known := openDamaged(t, dir, content); known != 0 {
				t.Errorf("%d records are known", known)
			}
			broken := brokenFiles(t, dir)
			if len(broken) != 1 {
				t.Fatalf("set aside: %v", broken)
			}
			if kept, err := os.ReadFile(broken[0]); err != nil || !bytes.Equal(kept, content) {
				t.Errorf("what is set aside is not what was there (%v)", err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, fileName, "more"), 0o700); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		b := open(t, Options{Dir: dir, Logger: logTo(&log)})
		add(b, 0, 1)
		wantRange(t, drain(t, b, 1).received(), 0, 1)
		closeBacklog(t, b)
		if len(brokenFiles(t, dir)) != 1 || !strings.Contains(log.String(), "set aside") {
			t.Errorf("set aside %v, log %s", brokenFiles(t, dir), log.String())
		}
	})
}

// A branch page whose children are all the page itself would be walked for ever.
func TestPagesInACircle(t *testing.T) {
	content, circles := sample(t, sampleRecords), 0
	order, size := binary.NativeEndian, os.Getpagesize()
	for page := 2 * size; page < len(content); page += size {
		header := content[page:]
		if order.Uint16(header[8:]) != flagBranch {
			continue
		}
		circles++
		for i := range order.Uint16(header[10:]) {
			copy(header[pageHeader+elementSize*int(i)+8:], header[:8])
		}
	}
	if circles == 0 {
		t.Fatal("no branch page: the sample is too small")
	}
	dir := t.TempDir()
	if known := openDamaged(t, dir, content); known != 0 || len(brokenFiles(t, dir)) != 1 {
		t.Errorf("%d records are known, set aside %v", known, brokenFiles(t, dir))
	}
}

func TestLeftoverOfAnInterruptedStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if known := openDamaged(t, dir, sample(t, sampleRecords)); known != sampleRecords {
		t.Errorf("%d records are known", known)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

func FuzzInspect(f *testing.F) {
	for _, records := range []int{3, 60, sampleRecords} {
		f.Add(sample(f, records), 0, byte(0))
	}
	f.Fuzz(func(t *testing.T, content []byte, at int, change byte) {
		if len(content) > mib {
			return
		}
		if at >= 0 && at < len(content) {
			content = bytes.Clone(content)
			content[at] ^= change
		}
		start, visited := time.Now(), int64(0)
		found, err := inspect(bytes.NewReader(content), int64(len(content)), func(key uint64, record []byte) error {
			visited++
			if key == 0 || len(record) > len(content) {
				t.Errorf("record %d of %d bytes", key, len(record))
			}
			return nil
		})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if most := int64(len(content)); err != nil || visited != found.count || found.count > most {
			t.Errorf("%d records, %d visited, in %d bytes (%v)", found.count, visited, len(content), err)
		}
	})
}

func FuzzValue(f *testing.F) {
	f.Add(encodeKey(1), encodeValue(1, []byte("record")))
	f.Add(encodeKey(1<<40), encodeValue(1<<40, nil))
	f.Fuzz(func(t *testing.T, rawKey, value []byte) {
		if key, record, ok := parseValue(rawKey, value); ok {
			if !bytes.Equal(encodeKey(key), rawKey) || !bytes.Equal(encodeValue(key, record), value) {
				t.Errorf("% X, % X is written differently", rawKey, value)
			}
		}
	})
}
