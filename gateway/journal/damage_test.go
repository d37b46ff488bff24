package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	sampleWrites = 300 // enough for a tree of two levels
	sampleReply  = "reply %d of the device, long enough to fill pages"
)

// sample returns a file with answered writes (even numbers) and intents (odd ones).
func sample(t testing.TB, writes int) []byte {
	t.Helper()
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	for i := range writes {
		if _, err := j.Begin(key("%d", i), true); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			commit(t, j, key("%d", i))
		} else if _, err := j.intend(key("%d", i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			j.Finish(key("%d", i), fmt.Appendf(nil, sampleReply, i))
		}
	}
	closeJournal(t, j)
	b, err := os.ReadFile(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openDamaged opens a journal that finds content, and counts the writes it knows.
// What it knows must be right, and it must work.
func openDamaged(t *testing.T, dir string, content []byte) (known int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	if j.Degraded() {
		t.Error("degraded")
	}
	for i := range sampleWrites {
		e, err := j.Begin(key("%d", i), true)
		if err != nil {
			t.Fatal(err)
		}
		switch e.State {
		case New:
			j.Forget(key("%d", i))
			continue
		case Answered:
			if string(e.Reply) != fmt.Sprintf(sampleReply, i) {
				t.Errorf("write %d: answered %q", i, e.Reply)
			}
		}
		if i%2 == 1 && e.State != Unknown {
			t.Errorf("write %d: %v", i, e.State)
		}
		known++
	}
	execute(t, j, key("more"), "reply")
	return known
}

func TestSoundFileIsReadWhole(t *testing.T) {
	for _, writes := range []int{0, 1, 3, 50, sampleWrites} {
		dir := t.TempDir()
		if known := openDamaged(t, dir, sample(t, writes)); known != writes {
			t.Errorf("%d of %d writes are known", known, writes)
		}
		if broken := brokenFiles(t, dir); len(broken) > 0 {
			t.Errorf("%d writes: set aside %v", writes, broken)
		}
	}
}

func TestCutOffFile(t *testing.T) {
	content := sample(t, sampleWrites)
	sizes := []int{0, 1, 15, 16, 63, 64, 80, 4095, 4096, 4096 + 80, 8191, 8192, 12288, len(content) - 1, len(content) - 4096}
	for range 60 {
		sizes = append(sizes, rand.IntN(len(content)))
	}
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			known := openDamaged(t, dir, content[:size])
			if len(brokenFiles(t, dir)) == 0 && known < sampleWrites {
				t.Errorf("cut off to %d of %d bytes: %d of %d writes are known, and nothing is set aside", size, len(content), known, sampleWrites)
			}
		})
	}
}

func TestFlippedBits(t *testing.T) {
	content := sample(t, sampleWrites)
	var places []int
	for page := 0; page+64 < len(content); page += os.Getpagesize() { // headers are where it hurts
		for range 10 {
			places = append(places, page+rand.IntN(64))
		}
	}
	for range 300 {
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
	if n := len(brokenFiles(t, dir)); n != keepBroken {
		t.Errorf("%d files are set aside, want the newest %d", n, keepBroken)
	}
}

// What is sound is kept: one changed byte in one record costs that record.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content := sample(t, sampleWrites)
	at := bytes.LastIndex(content, []byte("reply 100 "))
	if at < 0 {
		t.Fatal("no such record")
	}
	for ; at >= 0; at = bytes.LastIndex(content[:at], []byte("reply 100 ")) { // older copies too
		content[at] ^= 1
	}
	dir := t.TempDir()
	if known := openDamaged(t, dir, content); known != sampleWrites-1 {
		t.Errorf("%d of %d writes are known, want all but one", known, sampleWrites)
	}
	if len(brokenFiles(t, dir)) != 1 {
		t.Error("the file is not set aside")
	}
}

func TestForeignThingsAreSetAside(t *testing.T) {
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("hello, this is no database"), "random": random, "zeros": make([]byte, 1<<20),
		"another database": bytes.ReplaceAll(sample(t, 3), []byte(bucketName), []byte("others")),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if known := openDamaged(t, dir, content); known != 0 {
				t.Errorf("%d writes are known", known)
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
		if err := os.MkdirAll(filepath.Join(dir, "journal.db", "more"), 0o700); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		j := open(t, Options{Dir: dir, Logger: logTo(&log)})
		execute(t, j, key("write"), "reply")
		if j.Degraded() || len(brokenFiles(t, dir)) != 1 || !strings.Contains(log.String(), "set aside") {
			t.Errorf("degraded %v, set aside %v, log %s", j.Degraded(), brokenFiles(t, dir), log.String())
		}
	})
}

// A branch page whose children are all the page itself would be walked for ever.
func TestPagesInACircle(t *testing.T) {
	content, circles := sample(t, sampleWrites), 0
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
		t.Errorf("%d writes are known, set aside %v", known, brokenFiles(t, dir))
	}
}

func TestLeftoverOfAnInterruptedStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(fresh(filepath.Join(dir, "journal.db")), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if known := openDamaged(t, dir, sample(t, sampleWrites)); known != sampleWrites {
		t.Errorf("%d writes are known", known)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

func FuzzSalvage(f *testing.F) {
	for _, writes := range []int{0, 3, 60} {
		f.Add(sample(f, writes), 0, byte(0))
	}
	f.Fuzz(func(t *testing.T, content []byte, at int, change byte) {
		if len(content) > 1<<20 {
			return
		}
		if at >= 0 && at < len(content) {
			content = bytes.Clone(content)
			content[at] ^= change
		}
		start := time.Now()
		records, err := salvage(bytes.NewReader(content), int64(len(content)))
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if most := len(content) / (recordHead + recordTail) * 2; len(records) > most {
			t.Errorf("%d records in %d bytes (%v)", len(records), len(content), err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(recordID(1), record{id: 1, key: key("a"), state: Answered, wall: 1, reply: []byte("reply")}.value())
	f.Add(recordID(2), record{id: 2, key: key("b"), state: Unknown}.value())
	f.Fuzz(func(t *testing.T, id, value []byte) {
		if r, err := parseRecord(id, value); err == nil {
			if again := r.value(); !bytes.Equal(again, value) {
				t.Errorf("% X is written % X", value, again)
			}
		}
	})
}
