package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"modferry/gateway/store/storetest"
)

const fileName = "records.db"

func TestMain(m *testing.M) {
	storetest.Main(m, map[string]func(string) error{roleOnce: once, roleFull: full})
}

func placeIn(dir string) *Place {
	return &Place{Path: filepath.Join(dir, fileName), Bucket: "records", Step: 4096, Asides: 2}
}

// open opens the file that is there, or a new one, until the test ends.
func open(t testing.TB, p *Place) (*File, Report) {
	t.Helper()
	f, found, err := p.Open(false)
	if err == nil && f == nil {
		f, _, err = p.Replace(nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, found
}

// data is what the tests keep under a key.
func data(key uint64) []byte { return fmt.Appendf(nil, "record %d, %0*d", key, 40+key%70, key) }

func put(f *File, from, to uint64) error {
	return f.Update(func(tx *Tx) error {
		for key := from; key < to; key++ {
			if err := tx.Put(key, data(key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// keys returns those of all records, which must be sound and in order.
func keys(f *File) (all []uint64, err error) {
	err = f.View(func(tx *Tx) error {
		last := uint64(0)
		for r, sound := range tx.From(0) {
			if !sound || r.Key <= last || string(r.Data) != string(data(r.Key)) {
				return fmt.Errorf("after key %d: %d %q, sound %v", last, r.Key, r.Data, sound)
			}
			last = r.Key
			all = append(all, r.Key)
		}
		return nil
	})
	return all, err
}

// wantKeys fails the test unless the keys are from, from+1 ... to-1, and the file knows how many those are.
func wantKeys(t testing.TB, f *File, from, to uint64) {
	t.Helper()
	all, err := keys(f)
	if err != nil {
		t.Fatal(err)
	}
	if n := int(to - from); len(all) != n || n > 0 && (all[0] != from || all[n-1] != to-1) || f.Contents().Count != int64(n) {
		t.Errorf("%d records, %+v, want %d to %d", len(all), f.Contents(), from, to-1)
	}
}
