package backlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const copyBytes = 256 << 10 // of records in one transaction

// files makes, checks and replaces the file of a backlog.
type files struct {
	path string
	step int  // bytes by which a file grows
	ours bool // the file is locked by this process for good, so that a copy must take its place
}

// fresh is the name under which the next file is written until it is complete.
func (f files) fresh() string { return f.path + ".new" }

// create makes an empty file, and opens it.
func (f files) create() (*store, error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return nil, err
	}
	if err := f.write(func(*store) error { return nil }); err != nil {
		return nil, err
	}
	return f.takePlace()
}

// write makes a complete and synced file under the fresh name.
func (f files) write(fill func(*store) error) error {
	if err := os.RemoveAll(f.fresh()); err != nil { // of a process that was killed
		return err
	}
	s, err := openStore(f.fresh(), f.step)
	if err == nil {
		_, err = s.apply(change{})
	}
	if err == nil {
		err = fill(s)
	}
	if s != nil {
		s.close()
	}
	if err != nil {
		_ = os.Remove(f.fresh())
	}
	return err
}

// takePlace puts the fresh file in its place, durably, and opens it.
func (f files) takePlace() (*store, error) {
	if err := os.Rename(f.fresh(), f.path); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return nil, err
	}
	return openStore(f.path, f.step)
}

// taken is what open found.
type taken struct {
	*store        // nil if there is no file
	broken error  // why a file was set aside
	aside  string // where it is now
	bad    int    // records in it that were not sound
}

// open opens the file that is there, if it is sound. Otherwise, or if anew is set,
// its sound records are copied to a file that takes its place.
func (f files) open(anew bool) (taken, error) {
	_ = os.RemoveAll(f.fresh()) // of a process that was killed
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return taken{}, nil
	} else if err != nil {
		return taken{}, err
	}
	if !info.Mode().IsRegular() {
		return f.replace(report{damaged: errors.New("it is not a file")}, nil)
	}
	found, err := f.look(info.Size(), nil)
	if err != nil {
		return taken{}, err
	}
	if found.damaged != nil || anew || f.ours {
		return f.replace(found, func(s *store) error { return f.copy(info.Size(), s) })
	}
	s, err := openStore(f.path, f.step)
	if err != nil {
		return taken{}, err
	}
	s.last, s.count, s.bytes = found.last, found.count, found.bytes
	if err := s.sync(); err != nil { // what a process that died, or a transaction that failed, wrote last
		s.close()
		return taken{}, err
	}
	return taken{store: s}, nil
}

// look inspects the file while no other process can change it.
func (f files) look(size int64, visit func(uint64, []byte) error) (report, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return report{}, err
	}
	defer file.Close()
	if !f.ours {
		unlock, err := lock(f.path)
		if err != nil {
			return report{}, err
		}
		defer unlock()
	}
	return inspect(file, size, visit)
}

// copy adds the sound records of the file to s.
func (f files) copy(size int64, s *store) error {
	var batch []*item
	bytes := 0
	write := func() error {
		_, err := s.apply(change{add: batch})
		batch, bytes = nil, 0
		return err
	}
	_, err := f.look(size, func(key uint64, record []byte) error {
		batch = append(batch, &item{record: append([]byte(nil), record...), key: key})
		if bytes += len(record) + perItem; bytes < copyBytes {
			return nil
		}
		return write()
	})
	if err == nil && len(batch) > 0 {
		err = write()
	}
	return err
}

// replace writes a file with what fill adds, keeps the old one aside if it is
// damaged, and opens the new one.
func (f files) replace(old report, fill func(*store) error) (taken, error) {
	var filled store
	err := f.write(func(s *store) (err error) {
		if fill != nil {
			err = fill(s)
		}
		filled = *s
		return err
	})
	if err != nil {
		return taken{}, err
	}
	t := taken{broken: old.damaged, bad: old.bad}
	if old.damaged != nil {
		if t.aside, err = f.keepAside(time.Now()); err != nil {
			return taken{}, err
		}
	}
	if t.store, err = f.takePlace(); err != nil {
		return taken{}, err
	}
	t.last, t.count, t.bytes = filled.last, filled.count, filled.bytes
	return t, nil
}

// keepAside gives a file that cannot be used another name, for people to look at,
// and removes what was set aside before: it may be large. Where the system can it
// leaves the old name, so that there is always a file of that name.
func (f files) keepAside(now time.Time) (string, error) {
	before, err := filepath.Glob(f.path + ".broken-*")
	if err != nil {
		before = nil // the directory has the characters of a pattern in its name
	}
	aside := f.path + ".broken-" + now.UTC().Format("20060102T150405.000000000")
	if os.Link(f.path, aside) != nil {
		if err := os.Rename(f.path, aside); err != nil {
			return "", err
		}
	}
	for _, old := range before {
		_ = os.RemoveAll(old)
	}
	return aside, nil
}

// remove removes the file, of which nothing is needed any more.
func (f files) remove() error {
	if err := os.Remove(f.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
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
		return nil, errInUse
	case err != nil:
		return func() {}, nil //nolint:nilerr // it is no database, so nobody uses it as one
	}
	return func() { _ = guard(db.Close) }, nil
}

// syncDir makes a rename or a removal durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot sync the directory: %w", err)
	}
	defer dir.Close()
	return dir.Sync()
}
