package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	bucketName  = "writes"
	lockTimeout = 200 * time.Millisecond // for another process to free the file
	keepBroken  = 3                      // files that were set aside, beyond which the oldest go
	fillPercent = 0.9                    // ids only grow, so pages need little room for later
)

// store is the open file. One goroutine uses it.
type store struct {
	db   *bolt.DB
	file *os.File // db's
	lost bool     // of no more use, and closed as far as possible
}

func openStore(path string) (*store, error) {
	s := &store{}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, OpenFile: s.open})
		return err
	})
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	}
	if s.file != nil {
		_ = s.file.Close() // again, unless it panicked
	}
	return nil, err
}

func (s *store) open(path string, flag int, mode os.FileMode) (file *os.File, err error) {
	s.file, err = os.OpenFile(path, flag, mode)
	return s.file, err
}

var errGone = errors.New("the file was removed or replaced")

// apply makes one durable transaction: both its pages and the meta page that makes
// them valid are synced when it returns.
func (s *store) apply(changes []change) error {
	if !s.named() {
		_ = s.close()
		return errGone
	}
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error { return put(tx, changes) })
	})
	var crash *crash
	if errors.As(err, &crash) {
		// bbolt may hold its locks, so that its Close would wait for ever. Without the file nobody is locked out.
		s.lost = true
		_ = s.file.Close()
	}
	return err
}

// named reports whether the next process would find this very file.
func (s *store) named() bool {
	here, err := s.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(s.file.Name())
	return err == nil && os.SameFile(here, there)
}

func put(tx *bolt.Tx, changes []change) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketName))
	if err != nil {
		return err
	}
	bucket.FillPercent = fillPercent
	for _, c := range changes {
		if c.value == nil {
			err = bucket.Delete(recordID(c.id))
		} else {
			err = bucket.Put(recordID(c.id), c.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() error {
	if s.lost {
		return nil
	}
	s.lost = true
	return guard(s.db.Close)
}

// crash is a panic of bbolt.
type crash struct{ cause any }

func (c *crash) Error() string { return fmt.Sprintf("the database failed: %v", c.cause) }

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

// fresh is the name under which the next file is written until it is complete.
func fresh(path string) string { return path + ".new" }

// writeFile makes a complete and synced file of its own.
func writeFile(path string, all []change) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil { // of a process that was killed
		return err
	}
	s, err := openStore(path)
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	if err = s.apply(all); err == nil {
		err = s.close()
	} else {
		_ = s.close()
		_ = os.Remove(path)
	}
	return err
}

// takePlace puts the fresh file in the place of path, durably, and opens it.
func takePlace(path string) (*store, error) {
	if err := os.Rename(fresh(path), path); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return openStore(path)
}

// syncDir makes a rename durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// setAside renames a file that cannot be used, for people to look at, and removes
// the oldest of those.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".broken-" + now.UTC().Format("20060102T150405.000000000")
	if err := os.Rename(path, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	old, err := filepath.Glob(path + ".broken-*")
	if err != nil {
		return aside, nil //nolint:nilerr // a directory with the characters of a pattern in its name keeps them all
	}
	slices.Sort(old)
	for _, o := range old[:max(0, len(old)-keepBroken)] {
		if o != aside {
			_ = os.RemoveAll(o)
		}
	}
	return aside, nil
}
