package store

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/store/storetest"
)

func TestInUse(t *testing.T) {
	p := placeIn(filepath.Join(t.TempDir(), "data"))
	if err := p.InUse(); err != nil {
		t.Fatal(err)
	}
	f, _ := open(t, p)
	other := placeIn(filepath.Dir(p.Path))
	_, looked := other.Look(nil)
	_, _, opened := other.Open(false)
	for _, err := range []error{other.InUse(), looked, opened} {
		if !errors.Is(err, ErrInUse) {
			t.Errorf("it is open: %v", err)
		}
	}
	if err := errors.Join(put(f, 1, 10), f.Close(), other.InUse()); err != nil {
		t.Error(err)
	}
}

// A transaction that fails leaves nothing, and the file goes on.
func TestTransactionThatFails(t *testing.T) {
	f, _ := open(t, placeIn(t.TempDir()))
	if err := put(f, 1, 10); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	err := f.Update(func(tx *Tx) error { return errors.Join(tx.Put(10, data(10)), tx.Delete(1, 2, 3), enough) })
	if !errors.Is(err, enough) || !f.Usable() {
		t.Errorf("%v, usable %v", err, f.Usable())
	}
	wantKeys(t, f, 1, 10)
	if err := put(f, 5, 20); err != nil { // some are there
		t.Fatal(err)
	}
	wantKeys(t, f, 1, 20)
}

// However the file fails under an open File: the transaction says so, or is good; what
// is left is opened, and what a process keeps elsewhere can take its place.
func TestRow27FileThatFails(t *testing.T) {
	failures := storetest.Failures()
	failures["descriptor is gone"] = nil
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			p := placeIn(filepath.Join(t.TempDir(), "data"))
			f, _ := open(t, p)
			for key := uint64(1); key < 1000; key += 100 {
				if err := put(f, key, key+100); err != nil {
					t.Fatal(err)
				}
			}
			if fail == nil {
				_ = f.file.Close()
			} else {
				fail(t, p.Path)
			}
			if err := put(f, 1001, 1010); err == nil {
				t.Error("it does not fail")
			}
			again, _, err := p.Open(false) // before it is closed: as after a panic, which may keep it locked
			if errors.Is(err, ErrInUse) {
				_ = f.Close()
				again, _, err = p.Open(false)
			}
			if err != nil {
				t.Fatal(err)
			}
			if again != nil {
				if fail == nil {
					wantKeys(t, again, 1, 1001)
				} else if _, err := keys(again); err != nil {
					t.Error(err)
				}
				_ = again.Close()
			}
			next, _, err := p.Replace(nil, func(next *File) error { return put(next, 1, 1010) })
			if err != nil {
				t.Fatal(err)
			}
			defer next.Close()
			_ = f.Close()
			if err := put(next, 1010, 1020); err != nil {
				t.Fatal(err)
			}
			wantKeys(t, next, 1, 1020)
		})
	}
}

// A file that was filled and emptied is made anew, and keeps the highest key while it is open.
func TestSmallerAnew(t *testing.T) {
	p := placeIn(t.TempDir())
	f, _ := open(t, p)
	if err := put(f, 1, 20_000); err != nil {
		t.Fatal(err)
	}
	err := f.Update(func(tx *Tx) error {
		for key := uint64(1); key < 19_990; key++ {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || f.Used() > f.Size()/2 {
		t.Errorf("%v: %d of %d bytes are used", err, f.Used(), f.Size())
	}
	before := f.Size()
	_ = f.Close()
	f, _, err = p.Open(true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantKeys(t, f, 19_990, 20_000)
	if after := f.Size(); after > before/4 || f.Contents().Last != 19_999 {
		t.Errorf("%d bytes before, %d now, %+v", before, after, f.Contents())
	}
	if err := errors.Join(f.Close(), p.Remove()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.Path); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is still there")
	}
}

func TestOwnerIsWaitedForButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, takes := range []time.Duration{time.Second, time.Minute} {
			o := NewOwner()
			go func() {
				defer o.Ended()
				<-o.Stop()
				time.Sleep(takes)
			}()
			start := time.Now()
			if err := o.Close(); (err == nil) != (takes < closeTimeout) || time.Since(start) > closeTimeout {
				t.Errorf("a disk that needs %v: %v after %v", takes, err, time.Since(start))
			}
			<-o.Done()
			if err := o.Close(); err != nil {
				t.Errorf("closed again: %v", err)
			}
		}
	})
}

func TestLogOfADiskThatIsNearlyFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := Notice{Log: slog.New(slog.NewTextHandler(&log, nil)), Path: "file", Fails: "it fails", Works: "it works"}
		for range 10 {
			for range 100 {
				n.Note(errors.New("no space left on device"))
				n.Note(nil)
			}
			time.Sleep(warnEvery)
		}
		if fails, works := strings.Count(log.String(), "it fails"), strings.Count(log.String(), "it works"); fails != 10 || works != 10 {
			t.Errorf("%d failures and %d ends in ten minutes, want 10 of each", fails, works)
		}
	})
}
