package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"modferry/gateway/wholefile"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	lockTimeout = 200 * time.Millisecond // for another process to free the file
	copyBytes   = 256 << 10              // of data in one transaction
)

// ErrInUse: another process has the file.
var ErrInUse = errors.New("it is in use by another process: stop that, or choose another directory")

var errGone = errors.New("the file was removed or replaced")

// Place is where a file of records lies.
type Place struct {
	Path   string // of the file; its directory is made if it is missing
	Bucket string // the name of what is in it: a file with anything else is foreign
	Step   int    // bytes by which the file grows; 0 = as bbolt does
	Asides int    // how many files that were set aside are kept, from 1

	mapped bool // bbolt panicked on the file: it stays mapped, and with that locked, while this process lives
}

// fresh is the name under which the next file is written until it is complete.
func (p *Place) fresh() string { return p.Path + ".new" }

// InUse returns [ErrInUse] if another process has the file.
func (p *Place) InUse() error {
	unlock, err := p.lock()
	if err == nil {
		unlock()
	}
	return err
}

// lock keeps other processes from changing the file. Opening it only for reading
// makes bbolt look at no more than its meta pages, which have checksums.
func (p *Place) lock() (unlock func(), err error) {
	if p.mapped {
		return func() {}, nil
	}
	var db *bolt.DB
	err = guard(func() (err error) {
		db, err = bolt.Open(p.Path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
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

// Look inspects what lies there, while no other process can change it. Its sound
// records go to visit, which may be nil, must not keep their data, and ends it with
// an error. The error says that it could not be read, or is [ErrInUse].
func (p *Place) Look(visit func(Record) error) (Report, error) {
	info, err := os.Stat(p.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Report{Missing: true}, nil
	case err != nil:
		return Report{}, err
	case !info.Mode().IsRegular():
		return Report{Damage: errors.New("it is not a file")}, nil
	}
	file, err := os.Open(p.Path)
	if err != nil {
		return Report{}, err
	}
	defer file.Close()
	unlock, err := p.lock()
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	if info, err = file.Stat(); err != nil {
		return Report{}, err
	}
	return inspect(file, info.Size(), p.Bucket, visit)
}

// Open opens the file that is there, if it is sound. Otherwise, or if anew is set,
// its sound records are copied to a file that takes its place. The File is nil if
// there is none.
func (p *Place) Open(anew bool) (*File, Report, error) {
	_ = os.RemoveAll(p.fresh()) // of a process that was killed
	found, err := p.Look(nil)
	switch {
	case err != nil:
		return nil, found, err
	case found.Missing:
		p.mapped = false
		return nil, found, nil
	case found.Damage != nil || anew || p.mapped:
		f, aside, err := p.Replace(found.Damage, p.copy)
		found.Aside = aside
		return f, found, err
	}
	f, err := p.open(p.Path)
	if err != nil {
		return nil, found, err
	}
	f.contents = found.Contents
	if err := f.guard(f.db.Sync); err != nil { // what a process that died, or a transaction that failed, wrote last
		_ = f.Close()
		return nil, found, err
	}
	return f, found, nil
}

// copy adds the sound records of the file that lies there to f.
func (p *Place) copy(f *File) error {
	var batch []Record
	bytes := 0
	write := func() error {
		err := f.Update(func(tx *Tx) error { return tx.putAll(batch) })
		batch, bytes = nil, 0
		return err
	}
	found, err := p.Look(func(r Record) error {
		batch = append(batch, Record{Key: r.Key, Data: append([]byte(nil), r.Data...)})
		if bytes += len(r.Data); bytes < copyBytes {
			return nil
		}
		return write()
	})
	switch {
	case err != nil:
		return err
	case found.Missing:
		return errGone
	}
	return write()
}

// Replace writes a complete file with what fill adds, nothing if it is nil, and puts
// it in the place of the one that lies there, durably. That one is set aside first if
// something is damaged in it: aside is its name then, also if it fails after that.
func (p *Place) Replace(damage error, fill func(*File) error) (f *File, aside string, err error) {
	contents, err := p.write(fill)
	if err != nil {
		return nil, "", err
	}
	if damage != nil {
		if aside, err = p.setAside(time.Now()); err != nil {
			return nil, "", err
		}
	}
	if err := os.Rename(p.fresh(), p.Path); err != nil {
		return nil, aside, err
	}
	if err := wholefile.SyncDir(filepath.Dir(p.Path)); err != nil {
		return nil, aside, err
	}
	if f, err = p.open(p.Path); err != nil {
		return nil, aside, err
	}
	f.contents, p.mapped = contents, false
	return f, aside, nil
}

// write makes a complete and synced file under the fresh name.
func (p *Place) write(fill func(*File) error) (c Contents, err error) {
	if err := os.MkdirAll(filepath.Dir(p.Path), 0o700); err != nil {
		return c, err
	}
	if err := os.RemoveAll(p.fresh()); err != nil { // of a process that was killed
		return c, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(p.fresh())
		}
	}()
	f, err := p.open(p.fresh())
	if err != nil {
		return c, err
	}
	if fill == nil {
		fill = func(f *File) error { return f.Update(func(*Tx) error { return nil }) }
	}
	if err := fill(f); err != nil {
		_ = f.Close()
		return c, err
	}
	return f.contents, f.Close()
}

// setAside gives a file that cannot be used another name, for people to look at, and
// removes the oldest of those. Where the system can it leaves the old name, so that
// there is always a file of that name.
func (p *Place) setAside(now time.Time) (string, error) {
	before, err := filepath.Glob(p.Path + ".broken-*")
	if err != nil {
		before = nil // the directory has the characters of a pattern in its name
	}
	aside := p.Path + ".broken-" + now.UTC().Format("20060102T150405.000000000")
	if os.Link(p.Path, aside) != nil {
		if err := os.Rename(p.Path, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	slices.Sort(before)
	for _, old := range before[:max(0, len(before)-max(p.Asides-1, 0))] {
		_ = os.RemoveAll(old)
	}
	return aside, nil
}

// Remove removes the file, durably. It must be closed.
func (p *Place) Remove() error {
	if err := os.Remove(p.Path); err != nil {
		return err
	}
	return wholefile.SyncDir(filepath.Dir(p.Path))
}
