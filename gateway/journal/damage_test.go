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

// What is sound is kept, and nothing else: one changed byte in one record costs that record.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content, dir := sample(t, sampleWrites), t.TempDir()
	if storetest.Mark(content, []byte("reply 100 ")) == 0 {
		t.Fatal("no such record")
	}
	storetest.Write(t, filepath.Join(dir, fileName), content)
	j := open(t, Options{Dir: dir})
	for i := range sampleWrites {
		switch {
		case i == 100:
			want(t, j, key("%d", i), New, "")
		case i%2 == 1:
			want(t, j, key("%d", i), Unknown, "")
		default:
			want(t, j, key("%d", i), Answered, fmt.Sprintf(sampleReply, i))
		}
	}
	execute(t, j, key("more"), "reply")
	if j.Degraded() || len(storetest.Broken(t, dir)) != 1 {
		t.Errorf("degraded %v, set aside %v", j.Degraded(), storetest.Broken(t, dir))
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
