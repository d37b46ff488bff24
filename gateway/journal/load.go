package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// load reads the file that an earlier process left, if any. broken says why the
// file is not sound; the records are those that are. err says that it could not be
// read, or is in use.
func load(path string) (records []record, broken, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file"), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	unlock, err := lock(path)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	records, broken = salvage(f, info.Size())
	return records, broken, nil
}

// lock keeps other processes from changing the file. Opening it only for reading
// makes bbolt look at no more than its meta pages, which have checksums.
func lock(path string) (unlock func(), err error) {
	var db *bolt.DB
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case err != nil:
		return func() {}, nil //nolint:nilerr // it is no database, so nobody uses it as one
	}
	return func() { _ = guard(db.Close) }, nil
}

var errDamaged = errors.New("it is damaged")

func damaged(what string, page uint64) error {
	return fmt.Errorf("%w: %s of page %d", errDamaged, what, page)
}
