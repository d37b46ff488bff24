package backlog

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/store/storetest"
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
	_ = b.Replay(storetest.Within(t), func(ctx context.Context, payload []byte) error {
		if len(r.all) > 0 {
			return stop
		}
		return r.deliver(ctx, payload)
	})
	closeBacklog(t, b)
	return storetest.Read(t, filepath.Join(dir, fileName))
}

// openDamaged opens a backlog that finds content, replays what it knows, which must
// be right and in order, and returns how many those were. Then it must work.
func openDamaged(t *testing.T, dir string, content []byte) (known int) {
	t.Helper()
	storetest.Write(t, filepath.Join(dir, fileName), content)
	b := open(t, Options{Dir: dir})
	defer closeBacklog(t, b)
	b.Add(record(1_000_000, 150))
	r := &receiver{}
	ended := errors.New("that was the last")
	err := b.Replay(storetest.Within(t), func(ctx context.Context, payload []byte) error {
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

// Whatever is wrong with the file, what is delivered of it is right and in order.
func TestRow26DamagedFile(t *testing.T) {
	each := 50
	if testing.Short() {
		each = 10
	}
	dir := t.TempDir()
	for what, content := range storetest.Damaged(sample(t, sampleRecords), each) {
		if openDamaged(t, dir, content); t.Failed() {
			t.Fatal(what)
		}
	}
	if n := len(storetest.Broken(t, dir)); n != 1 {
		t.Errorf("%d files are set aside, want the newest", n)
	}
}

// What is sound is kept: one changed byte in one record costs that record.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content := sample(t, sampleRecords)
	if storetest.Mark(content, []byte(`{"n":100,`)) == 0 {
		t.Fatal("no such record")
	}
	dir := t.TempDir()
	if known := openDamaged(t, dir, content); known != sampleRecords-1 {
		t.Errorf("%d of %d records are known, want all but one", known, sampleRecords)
	}
	if len(storetest.Broken(t, dir)) != 1 {
		t.Error("the file is not set aside")
	}
}

func TestDamageIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, fileName, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := open(t, Options{Dir: dir, Logger: storetest.LogTo(&log)})
	add(b, 0, 1)
	wantRange(t, drain(t, b, 1).received(), 0, 1)
	closeBacklog(t, b)
	if len(storetest.Broken(t, dir)) != 1 || !strings.Contains(log.String(), "set aside") {
		t.Errorf("set aside %v, log %s", storetest.Broken(t, dir), log.String())
	}
}
