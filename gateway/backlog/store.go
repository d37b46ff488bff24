package backlog

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	bucketName  = "readings.1"
	lockTimeout = 200 * time.Millisecond // for another process to free the file
	mapped      = 8 << 20                // bytes that are looked at in the memory map before it is made anew
	longList    = 512                    // free pages, of which the list fits a page or two
)

var (
	errInUse = errors.New("it is in use by another process: stop that, or choose another directory")
	errGone  = errors.New("the file was removed or replaced")
)

// store is the open file. One goroutine uses it.
type store struct {
	db    *bolt.DB
	file  *os.File // db's
	path  string
	step  int    // bytes by which the file grows
	last  uint64 // highest key that was ever used
	count int64  // records in the file
	bytes int64  // in those
	seen  int    // bytes that were looked at since the file was mapped
	crash bool   // bbolt panicked: the file stays mapped, and with that locked, while the process lives
}

// change is what one transaction does, in this order.
type change struct {
	remove []uint64 // keys
	drop   int64    // the oldest records, until they cost that much together
	above  uint64   // but only those with keys above
	add    []*item  // which get their keys
}

func openStore(path string, step int) (*store, error) {
	s := &store{path: path, step: step}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *store) open() error {
	s.file, s.seen = nil, 0
	err := guard(func() (err error) {
		s.db, err = bolt.Open(s.path, 0o600, &bolt.Options{Timeout: lockTimeout, NoFreelistSync: true, OpenFile: s.openFile})
		return err
	})
	switch {
	case err == nil:
		s.db.AllocSize = s.step
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return errInUse
	}
	if s.file != nil {
		_ = s.file.Close() // again, unless it panicked
	}
	return err
}

func (s *store) openFile(path string, flag int, mode os.FileMode) (file *os.File, err error) {
	s.file, err = os.OpenFile(path, flag, mode)
	return s.file, err
}

// apply makes one durable transaction: both its pages and the meta page that makes
// them valid are synced when it returns. After an error the store is of no more use
// and closed; the transaction may be in the file or not.
func (s *store) apply(c change) (dropped int, err error) {
	if !s.named() {
		s.close()
		return 0, errGone
	}
	var next store
	// A long list of free pages is not written with each transaction. bbolt then finds them by itself if it has to.
	s.db.NoFreelistSync = s.db.Stats().FreePageN > longList
	err = s.guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			next = *s
			dropped, err = next.put(tx, c)
			return err
		})
	})
	if err != nil {
		s.close()
		return 0, err
	}
	s.last, s.count, s.bytes, s.seen = next.last, next.count, next.bytes, next.seen
	s.remap()
	return dropped, nil
}

func (s *store) put(tx *bolt.Tx, c change) (dropped int, err error) {
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketName))
	if err != nil {
		return 0, err
	}
	bucket.FillPercent = 1 // keys only grow
	for _, key := range c.remove {
		if err := s.remove(bucket, key); err != nil {
			return 0, err
		}
	}
	oldest := s.oldest(bucket, c)
	for _, key := range oldest {
		if err := s.remove(bucket, key); err != nil {
			return 0, err
		}
	}
	for _, i := range c.add {
		if i.key == 0 {
			i.key = s.last + 1
		} else if err := s.remove(bucket, i.key); err != nil { // a damaged file may have it twice
			return 0, err
		}
		s.last = max(s.last, i.key)
		if err := bucket.Put(encodeKey(i.key), encodeValue(i.key, i.record)); err != nil {
			return 0, err
		}
		s.count, s.bytes = s.count+1, s.bytes+int64(len(i.record))
	}
	return len(oldest), nil
}

func (s *store) remove(bucket *bolt.Bucket, key uint64) error {
	raw := encodeKey(key)
	value := bucket.Get(raw)
	if value == nil {
		return nil
	}
	s.count, s.bytes, s.seen = s.count-1, s.bytes-int64(len(value)-sumSize), s.seen+len(value)
	return bucket.Delete(raw)
}

// oldest returns the keys of the records to drop.
func (s *store) oldest(bucket *bolt.Bucket, c change) (keys []uint64) {
	if c.drop <= 0 {
		return nil
	}
	cursor := bucket.Cursor()
	for k, v := cursor.Seek(encodeKey(c.above + 1)); k != nil && c.drop > 0; k, v = cursor.Next() {
		key, record, _ := parseValue(k, v)
		keys = append(keys, key)
		c.drop -= int64(len(record)) + perItem
	}
	return keys
}

// oldestRecords returns the first records, at most so many with so many bytes, but
// at least one; and the keys of those that turned out to be damaged.
func (s *store) oldestRecords(most, bytes int) (items []*item, bad []uint64, err error) {
	err = s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			bucket := tx.Bucket([]byte(bucketName))
			if bucket == nil {
				return nil
			}
			cursor := bucket.Cursor()
			for k, v := cursor.First(); k != nil && len(items) < most; k, v = cursor.Next() {
				key, record, ok := parseValue(k, v)
				if !ok {
					bad = append(bad, key)
					continue
				}
				if bytes -= len(record) + 1; bytes < 0 && len(items) > 0 {
					return nil
				}
				items = append(items, &item{record: append([]byte(nil), record...), key: key})
				s.seen += len(v)
			}
			return nil
		})
	})
	return items, bad, err
}

// used returns the bytes of the file that are neither free nor about to be, and its size.
func (s *store) used() (used, size int64) {
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			return nil
		})
	})
	if err != nil {
		return 0, 0
	}
	free := s.db.Stats()
	return size - int64(free.FreePageN+free.PendingPageN)*int64(s.db.Info().PageSize), size
}

// remap makes the memory map anew now and then, because what was looked at in it
// counts as memory of the process. If that fails the next use of the store does.
func (s *store) remap() {
	if s.seen >= mapped {
		s.close()
		_ = s.open()
	}
}

// named reports whether the next process would find this very file.
func (s *store) named() bool {
	here, err := s.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(s.path)
	return err == nil && os.SameFile(here, there)
}

// sync makes sure that what an earlier transaction wrote is on the disk.
func (s *store) sync() error { return s.guard(s.db.Sync) }

// close frees the file. If it can it first notes the free pages, so that bbolt need
// not look for them when it opens the file again.
func (s *store) close() {
	if s.db == nil {
		return
	}
	db := s.db
	_ = s.guard(func() error {
		if !db.NoFreelistSync || !s.named() {
			return nil
		}
		db.NoFreelistSync = false
		return db.Update(func(*bolt.Tx) error { return nil })
	})
	if s.db != nil {
		_ = s.guard(db.Close)
	}
	s.db = nil
}

// crash is a panic of bbolt.
type crash struct{ cause any }

func (c *crash) Error() string { return fmt.Sprintf("the database failed: %v", c.cause) }

// guard works on the database. After a panic bbolt may hold its locks, so that its
// Close would wait for ever.
func (s *store) guard(do func() error) error {
	if s.db == nil {
		return errGone
	}
	err := guard(do)
	var panicked *crash
	if errors.As(err, &panicked) {
		s.db, s.crash = nil, true
		_ = s.file.Close()
	}
	return err
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
