package store

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	mapped   = 8 << 20 // bytes of a file that may be in memory, and are looked at before it is mapped anew
	longList = 512     // free pages, of which the list fits a page or two
)

// File is an open file of records.
type File struct {
	place    *Place
	path     string
	db       *bolt.DB // nil = of no more use
	file     *os.File // db's
	contents Contents
	seen     int // bytes that were looked at since the file was mapped
}

func (p *Place) open(path string) (*File, error) {
	f := &File{place: p, path: path}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	f.file, f.seen = nil, 0
	err := guard(func() (err error) {
		f.db, err = bolt.Open(f.path, 0o600, &bolt.Options{Timeout: lockTimeout, NoFreelistSync: true, OpenFile: f.openFile})
		return err
	})
	switch {
	case err == nil:
		f.db.NoFreelistSync = false // from now on: a file without a list is one to write
		if f.place.Step > 0 {
			f.db.AllocSize = f.place.Step
		}
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	}
	f.failed(err)
	if f.file != nil {
		_ = f.file.Close() // again, unless it panicked
	}
	return err
}

func (f *File) openFile(path string, flag int, mode os.FileMode) (file *os.File, err error) {
	f.file, err = os.OpenFile(path, flag, mode)
	return f.file, err
}

// Update makes one durable transaction: both its pages and the meta page that makes
// them valid are synced when it returns. After an error the transaction may be in the
// file or not, and another one may be good as long as the file is [File.Usable].
func (f *File) Update(do func(*Tx) error) error {
	if !f.named() {
		_ = f.Close()
		return errGone
	}
	tx := &Tx{contents: f.contents}
	err := f.guard(func() error {
		// A long list of free pages is not written with each transaction. bbolt then finds them by itself if it has to.
		f.db.NoFreelistSync = f.db.Stats().FreePageN > longList
		return f.db.Update(func(b *bolt.Tx) (err error) {
			if tx.bucket, err = b.CreateBucketIfNotExists([]byte(f.place.Bucket)); err != nil {
				return err
			}
			tx.bucket.FillPercent = 1 // keys only grow
			return do(tx)
		})
	})
	if err != nil {
		return err
	}
	f.contents, f.seen = tx.contents, f.seen+tx.seen
	f.remap()
	return nil
}

// View reads the file.
func (f *File) View(do func(*Tx) error) error {
	tx := &Tx{contents: f.contents}
	err := f.guard(func() error {
		return f.db.View(func(b *bolt.Tx) error {
			tx.bucket = b.Bucket([]byte(f.place.Bucket))
			return do(tx)
		})
	})
	f.seen += tx.seen
	return err
}

// remap makes the memory map of a large file anew now and then, because what was
// looked at in it counts as memory of the process. If that fails the next use of the
// file does.
func (f *File) remap() {
	if f.seen >= mapped && f.Size() > mapped {
		_ = f.Close()
		_ = f.open()
	}
}

// Contents returns what the file has in it, after the last transaction that was good.
func (f *File) Contents() Contents { return f.contents }

// Usable reports whether the file is open still: no transaction found that it is
// gone, and bbolt did not panic.
func (f *File) Usable() bool { return f.db != nil }

// Used returns the bytes of the file that are neither free nor about to be; 0 if it
// cannot be read.
func (f *File) Used() int64 {
	size := int64(0)
	err := f.guard(func() error {
		return f.db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		})
	})
	if err != nil {
		return 0
	}
	free := f.db.Stats()
	return size - int64(free.FreePageN+free.PendingPageN)*int64(f.db.Info().PageSize)
}

// Size returns the bytes that the file takes on the disk; 0 if that is not known.
func (f *File) Size() int64 {
	if f.file == nil {
		return 0
	}
	info, err := f.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// named reports whether the next process would find this very file.
func (f *File) named() bool {
	if f.file == nil {
		return false
	}
	here, err := f.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.path)
	return err == nil && os.SameFile(here, there)
}

// Close frees the file. If it can it first notes the free pages, so that bbolt need
// not look for them when it opens the file again. It may be called again.
func (f *File) Close() error {
	if f.db == nil {
		return nil
	}
	_ = f.guard(func() error {
		if !f.db.NoFreelistSync || !f.named() {
			return nil
		}
		f.db.NoFreelistSync = false
		return f.db.Update(func(*bolt.Tx) error { return nil })
	})
	if f.db == nil {
		return nil
	}
	err := f.guard(f.db.Close)
	f.db = nil
	return err
}

// crash is a panic of bbolt.
type crash struct{ cause any }

func (c *crash) Error() string { return fmt.Sprintf("the database failed: %v", c.cause) }

// guard works on the database.
func (f *File) guard(do func() error) error {
	if f.db == nil {
		return errGone
	}
	err := guard(do)
	if f.failed(err) {
		f.db = nil
		_ = f.file.Close()
	}
	return err
}

// failed reports whether bbolt panicked. It may hold its locks then, so that its
// Close would wait for ever.
func (f *File) failed(err error) bool {
	var panicked *crash
	if !errors.As(err, &panicked) {
		return false
	}
	f.place.mapped = f.place.mapped || f.path == f.place.Path
	return true
}

// guard turns a panic into a *crash. bbolt panics when it meets what it does not
// expect, and reading a memory map whose file was cut off is a fault.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &crash{p}
		}
	}()
	return do()
}
