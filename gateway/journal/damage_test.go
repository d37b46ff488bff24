package journal

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/store"
	"modferry/gateway/store/storetest"
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
	return storetest.Read(t, filepath.Join(dir, fileName))
}

// openDamaged opens a journal that finds content, and counts the writes it knows.
// What it knows must be right, and it must work.
func openDamaged(t *testing.T, dir string, content []byte) (known int) {
	t.Helper()
	storetest.Write(t, filepath.Join(dir, fileName), content)
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
		if broken := storetest.Broken(t, dir); len(broken) > 0 {
			t.Errorf("%d writes: set aside %v", writes, broken)
		}
	}
}

// Whatever is wrong with the file, what is known of it is right.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	for what, content := range storetest.Damaged(sample(t, sampleWrites), 50) {
		if openDamaged(t, dir, content); t.Failed() {
			t.Fatal(what)
		}
	}
	if n := len(storetest.Broken(t, dir)); n != asides {
		t.Errorf("%d files are set aside, want the newest %d", n, asides)
	}
}

// What is sound is kept: one changed byte in one record costs that record.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content := sample(t, sampleWrites)
	if storetest.Mark(content, []byte("reply 100 ")) == 0 {
		t.Fatal("no such record")
	}
	dir := t.TempDir()
	if known := openDamaged(t, dir, content); known != sampleWrites-1 {
		t.Errorf("%d of %d writes are known, want all but one", known, sampleWrites)
	}
	if len(storetest.Broken(t, dir)) != 1 {
		t.Error("the file is not set aside")
	}
}

// A record that the file keeps well, but no journal has written.
func TestRecordOfAnotherKindIsSetAside(t *testing.T) {
	dir := t.TempDir()
	place := &store.Place{Path: filepath.Join(dir, fileName), Bucket: bucketName, Asides: 1}
	f, _, err := place.Replace(nil, func(f *store.File) error { return write(f, []change{{id: 1, data: []byte("something")}}) })
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	var log bytes.Buffer
	j := open(t, Options{Dir: dir, Logger: storetest.LogTo(&log)})
	execute(t, j, key("write"), "reply")
	if j.Degraded() || len(storetest.Broken(t, dir)) != 1 || !strings.Contains(log.String(), "set aside") {
		t.Errorf("degraded %v, set aside %v, log %s", j.Degraded(), storetest.Broken(t, dir), log.String())
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(record{key: key("a"), state: Answered, wall: 1, reply: []byte("reply")}.data())
	f.Add(record{key: key("b"), state: Unknown}.data())
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseRecord(store.Record{Key: 1, Data: data}); err == nil && !bytes.Equal(r.data(), data) {
			t.Errorf("% X is written % X", data, r.data())
		}
	})
}
