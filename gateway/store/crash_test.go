package store

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"modferry/gateway/store/storetest"
)

// What a child does with the file in its directory.
const (
	roleOnce = "once" // some transactions, and a fresh file in between; all by the first thread
	roleFull = "full" // a disk of 64 KiB gets full, and has room again

	noteKept = "kept" // a transaction that is on disk, so the child was told
)

// Transaction n puts ten records and deletes those of transaction n-window: the file
// has the last ones, whole.
const window = 3

func transaction(f *File, n uint64) error {
	return f.Update(func(tx *Tx) error {
		for key := 10*n + 1; key <= 10*n+10; key++ {
			if err := tx.Put(key, data(key)); err != nil {
				return err
			}
			if n >= window {
				if err := tx.Delete(key - 10*window); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// latest returns the transaction that the file had last; 0 if none.
func latest(f *File) uint64 { return (f.Contents().Last + 9) / 10 }

// worker makes transactions and notes which of them are on disk.
type worker struct {
	dir   string
	place *Place
	file  *File
}

func (w *worker) open(anew bool) (err error) {
	if w.file != nil {
		_ = w.file.Close()
	}
	if w.file, _, err = w.place.Open(anew); err == nil && w.file == nil {
		w.file, _, err = w.place.Replace(nil, nil)
	}
	if err != nil {
		w.file = nil
		return err
	}
	return w.note()
}

func (w *worker) note() error {
	return storetest.Note(w.dir, noteKept, fmt.Sprint(latest(w.file)))
}

// step makes one transaction. When the disk fails it inspects the file and tries again.
func (w *worker) step() (err error) {
	for range 50 {
		if w.file == nil {
			err = w.open(false)
		}
		if w.file == nil {
			continue
		}
		if err = transaction(w.file, latest(w.file)); err == nil {
			return w.note()
		}
		_ = w.file.Close()
		w.file = nil
	}
	return err
}

func once(dir string) error {
	runtime.LockOSThread()
	w := &worker{dir: dir, place: placeIn(dir)}
	for n := range 4 {
		if n == 1 {
			_ = w.open(true) // if it fails the next step opens what is there
		}
		if err := w.step(); err != nil {
			return err
		}
	}
	return w.file.Close()
}

// wantWhole checks what a child left: the file is sound; it has the last transaction
// that the child was told of, or the one after it, and each whole.
func wantWhole(t *testing.T, dir string) (n uint64) {
	t.Helper()
	last := uint64(0)
	notes, err := storetest.Notes(dir, noteKept)
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) > 0 {
		if last, err = strconv.ParseUint(notes[len(notes)-1], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	f, found := open(t, placeIn(dir))
	defer f.Close()
	if found.Damage != nil || found.Unsound > 0 || len(storetest.Broken(t, dir)) > 0 {
		t.Errorf("%+v", found)
	}
	n = latest(f)
	if n != last && n != last+1 {
		t.Errorf("transaction %d is the last, and %d was kept", n, last)
	}
	wantKeys(t, f, 10*(max(n, window)-window)+1, 10*n+1)
	if err := transaction(f, n); err != nil {
		t.Error(err)
	}
	return n
}

func leftBehind(t *testing.T) (dir string) {
	t.Helper()
	w := &worker{dir: storetest.Dir(t)}
	w.place = placeIn(w.dir)
	for range 8 {
		if err := w.step(); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.file.Close()
	return w.dir
}

func TestRow26KilledAtEverySystemCall(t *testing.T) {
	left := []string{storetest.Dir(t), leftBehind(t)}
	storetest.KillAtEveryCall(t, fileName, roleOnce, left, 25*time.Second, func(dir string) { wantWhole(t, dir) })
}

// A disk that fails in the middle and works again loses nothing that was kept.
func TestRow26FailingSystemCalls(t *testing.T) {
	storetest.FailSomeCalls(t, fileName, roleOnce, leftBehind(t), func(t *testing.T, dir string) {
		if n := wantWhole(t, dir); n < 12 {
			t.Errorf("only %d transactions", n)
		}
	})
}

// full fills a disk of 64 KiB, reads what is there, and goes on when there is room.
func full(dir string) error {
	f, _, err := placeIn(dir).Replace(nil, nil)
	if err != nil {
		return err
	}
	room, err := storetest.LimitFiles(64 << 10)
	if err != nil {
		return err
	}
	n := uint64(0)
	for ; err == nil && n < 1000; n++ {
		err = put(f, 100*n+1, 100*n+101)
	}
	before := f.Contents()
	all, unreadable := keys(f)
	if err == nil || !f.Usable() || unreadable != nil || int64(len(all)) != before.Count || before.Count != int64(100*(n-1)) || f.Size() > 64<<10 {
		return fmt.Errorf("after %d transactions: %w, usable %v, %+v, %d records, %w", n, err, f.Usable(), before, len(all), unreadable)
	}
	if _, _, err := f.place.Replace(nil, func(next *File) error { return put(next, 1, 2000) }); err == nil {
		return errors.New("a fresh file finds room")
	}
	if err := room(); err != nil {
		return err
	}
	if err := put(f, 100*(n-1)+1, 100*n+1); err != nil {
		return err
	}
	fmt.Println(f.Contents().Count)
	return f.Close()
}

func TestRow27FullDisk(t *testing.T) {
	storetest.NeedLimit(t)
	dir := storetest.Dir(t)
	_, printed := storetest.Start(t, dir, roleFull).End()
	f, found := open(t, placeIn(dir))
	if found.Damage != nil || found.Count < 200 || !slices.Equal(printed, []string{fmt.Sprint(found.Count)}) {
		t.Errorf("the child has %v records, the file %+v", printed, found)
	}
	wantKeys(t, f, 1, uint64(found.Count)+1)
}
