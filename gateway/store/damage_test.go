package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

const samples = 600 // records, enough for a tree of two levels

// sample returns a file with records, of which some before were deleted.
func sample(t testing.TB, records uint64) []byte {
	t.Helper()
	p := placeIn(t.TempDir())
	f, _ := open(t, p)
	for key := uint64(0); key < records; key += 100 {
		if err := put(f, 1001+key, 1001+min(key+100, records)); err != nil {
			t.Fatal(err)
		}
		if err := f.Update(func(tx *Tx) error { return tx.Delete(900 + key/100) }); err != nil {
			t.Fatal(err)
		}
		if err := put(f, 901+key/100, 902+key/100); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Update(func(tx *Tx) error { return tx.Delete(900 + (records+99)/100) }); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return storetest.Read(t, p.Path)
}

// openDamaged opens a place that finds content, and returns how many records are
// left. Those must be right and in order, and the file must work.
func openDamaged(t *testing.T, p *Place, content []byte) (known int) {
	t.Helper()
	storetest.Write(t, p.Path, content)
	f, found := open(t, p)
	defer f.Close()
	all, err := keys(f)
	if err != nil || int64(len(all)) != f.Contents().Count || found.Count != f.Contents().Count {
		t.Fatalf("%d records, %+v (%v)", len(all), f.Contents(), err)
	}
	if (found.Damage == nil) != (found.Aside == "") {
		t.Errorf("damage %v, set aside %q", found.Damage, found.Aside)
	}
	if err := f.Update(func(tx *Tx) error { return tx.Delete(all...) }); err != nil {
		t.Fatal(err)
	}
	if err := put(f, 5000, 5001); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, f, 5000, 5001)
	return len(all)
}

func TestSoundFileIsReadWhole(t *testing.T) {
	for _, records := range []uint64{0, 1, 3, 50, samples} {
		dir := t.TempDir()
		if known := openDamaged(t, placeIn(dir), sample(t, records)); known != int(records) || len(storetest.Broken(t, dir)) > 0 {
			t.Errorf("%d of %d records are known, set aside %v", known, records, storetest.Broken(t, dir))
		}
	}
}

// Whatever lies there: what is lost of it is set aside, as it was.
func TestRow26DamagedFile(t *testing.T) {
	sound, dir := sample(t, samples), t.TempDir()
	for what, content := range storetest.Damaged(sound, 100) {
		for _, before := range storetest.Broken(t, dir) {
			_ = os.Remove(before)
		}
		known := openDamaged(t, placeIn(dir), content)
		switch broken := storetest.Broken(t, dir); {
		case t.Failed():
		case len(broken) == 0 && known < samples:
			t.Errorf("%d records are known, and nothing is set aside", known)
		case len(broken) > 1 || len(broken) == 1 && !bytes.Equal(storetest.Read(t, broken[0]), content):
			t.Errorf("set aside: %v, or it is not what was there", broken)
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
}

func TestNewestAreKeptAside(t *testing.T) {
	p := placeIn(t.TempDir())
	for range 5 {
		openDamaged(t, p, nil)
	}
	if broken := storetest.Broken(t, filepath.Dir(p.Path)); len(broken) != p.Asides {
		t.Errorf("set aside: %v, want the newest %d", broken, p.Asides)
	}
}

// Bits that change in any page of an inspected file are found, or do no harm: what
// bbolt gets to see must be sound, or it panics where nobody can catch it.
func TestInspectionFindsWhatWouldPanic(t *testing.T) {
	content, p := sample(t, samples), placeIn(t.TempDir())
	for range 500 {
		changed := bytes.Clone(content)
		at := rand.IntN(len(content)/os.Getpagesize())*os.Getpagesize() + rand.IntN(128)
		changed[at] ^= 1 << rand.IntN(8)
		if found, _ := inspect(bytes.NewReader(changed), int64(len(changed)), p.Bucket, nil); found.Damage == nil {
			if openDamaged(t, p, changed) < samples || t.Failed() {
				t.Fatalf("byte %d", at)
			}
		}
	}
}

// One changed byte in one record costs that record, and no other.
func TestOneDamagedRecordCostsNoOther(t *testing.T) {
	content, dir := sample(t, samples), t.TempDir()
	if storetest.Mark(content, []byte("record 1100,")) == 0 {
		t.Fatal("no such record")
	}
	if known := openDamaged(t, placeIn(dir), content); known != samples-1 || len(storetest.Broken(t, dir)) != 1 {
		t.Errorf("%d of %d records are known, set aside %v", known, samples, storetest.Broken(t, dir))
	}
}

// A page that claims to have overflow costs none of the pages that it claims.
func TestClaimedPagesAreReadNevertheless(t *testing.T) {
	content, claims := sample(t, samples), 0
	order, size := binary.NativeEndian, os.Getpagesize()
	for at := 2 * size; at < len(content); at += size {
		if order.Uint16(content[at+8:]) != flagLeaf {
			continue
		}
		claimed := bytes.Clone(content)
		order.PutUint32(claimed[at+12:], 5)
		found, err := inspect(bytes.NewReader(claimed), int64(len(claimed)), "records", nil)
		if err != nil || found.Damage != nil && found.Count < samples-100 {
			t.Errorf("page %d: %+v, %v", at/size, found, err)
		}
		if found.Damage != nil && found.Count == samples {
			claims++
		}
	}
	if claims == 0 {
		t.Error("no claim was found, or each costs records")
	}
}

func TestPagesInACircle(t *testing.T) {
	content, dir := sample(t, samples), t.TempDir()
	if storetest.Circle(content) == 0 {
		t.Fatal("no branch page: the sample is too small")
	}
	if known := openDamaged(t, placeIn(dir), content); known != 0 || len(storetest.Broken(t, dir)) != 1 {
		t.Errorf("%d records are known, set aside %v", known, storetest.Broken(t, dir))
	}
}

func TestRow26ForeignThingsAreSetAside(t *testing.T) {
	dir := t.TempDir()
	if known := openDamaged(t, placeIn(dir), bytes.ReplaceAll(sample(t, 3), []byte("records"), []byte("anythin"))); known != 0 {
		t.Errorf("%d records of another database are known", known)
	}
	other := filepath.Join(dir, "other")
	if err := os.MkdirAll(filepath.Join(other, fileName, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, found := open(t, placeIn(other))
	if err := put(f, 1, 2); err != nil || found.Damage == nil || len(storetest.Broken(t, other)) != 1 || len(storetest.Broken(t, dir)) != 1 {
		t.Errorf("%+v, set aside %v and %v (%v)", found, storetest.Broken(t, other), storetest.Broken(t, dir), err)
	}
}

func TestLeftoverOfAnInterruptedStart(t *testing.T) {
	dir := t.TempDir()
	storetest.Write(t, placeIn(dir).fresh(), []byte("half a file"))
	if known := openDamaged(t, placeIn(dir), sample(t, samples)); known != samples {
		t.Errorf("%d records are known", known)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

// What files on disk have must not change, or they could not be read any more.
func TestRecordOnDisk(t *testing.T) {
	if got := hex.EncodeToString(Record{Key: 258, Data: []byte("123456789")}.encode()); got != "313233343536373839"+"863f2fb3" {
		t.Error(got)
	}
	if got := hex.EncodeToString(encodeKey(258)); got != "0000000000000102" {
		t.Error(got)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(encodeKey(1), Record{1, []byte("record")}.encode())
	f.Add(encodeKey(1<<40), Record{1 << 40, nil}.encode())
	f.Fuzz(func(t *testing.T, rawKey, value []byte) {
		if r, sound := parseRecord(rawKey, value); sound && (!bytes.Equal(encodeKey(r.Key), rawKey) || !bytes.Equal(r.encode(), value)) {
			t.Errorf("% X, % X is written differently", rawKey, value)
		}
	})
}

func FuzzInspect(f *testing.F) {
	for _, records := range []uint64{0, 3, 60, samples} {
		f.Add(sample(f, records), 0, byte(0))
	}
	f.Fuzz(func(t *testing.T, content []byte, at int, change byte) {
		if len(content) > 1<<20 {
			return
		}
		if at >= 0 && at < len(content) {
			content = bytes.Clone(content)
			content[at] ^= change
		}
		start, visited := time.Now(), int64(0)
		found, err := inspect(bytes.NewReader(content), int64(len(content)), "records", func(r Record) error {
			visited++
			if r.Key == 0 || len(r.Data) > len(content) {
				t.Errorf("record %d of %d bytes", r.Key, len(r.Data))
			}
			return nil
		})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if most := int64(len(content)); err != nil || visited != found.Count || found.Count > most {
			t.Errorf("%d records, %d visited, in %d bytes (%v)", found.Count, visited, len(content), err)
		}
	})
}
