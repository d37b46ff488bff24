package store

import (
	"iter"

	bolt "go.etcd.io/bbolt"
)

// Tx is one transaction. It is of no more use when the function that got it has
// returned.
type Tx struct {
	bucket   *bolt.Bucket // nil = there is none to read
	contents Contents
	seen     int
}

// Last returns the highest key that was ever used in this file.
func (tx *Tx) Last() uint64 { return tx.contents.Last }

// Put writes data under key, in the place of what is there. Keys that grow are the
// fastest, and take the least room. The data must not be changed before Put returns.
func (tx *Tx) Put(key uint64, data []byte) error {
	if err := tx.Delete(key); err != nil {
		return err
	}
	tx.contents.Last = max(tx.contents.Last, key)
	tx.contents.Count++
	tx.contents.Bytes += int64(len(data))
	return tx.bucket.Put(encodeKey(key), Record{key, data}.encode())
}

func (tx *Tx) putAll(records []Record) error {
	for _, r := range records {
		if err := tx.Put(r.Key, r.Data); err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes the records under keys, those that there are.
func (tx *Tx) Delete(keys ...uint64) error {
	for _, key := range keys {
		raw := encodeKey(key)
		value := tx.bucket.Get(raw)
		if value == nil {
			continue
		}
		tx.contents.Count--
		tx.contents.Bytes -= int64(len(value) - sumSize)
		tx.seen += len(value)
		if err := tx.bucket.Delete(raw); err != nil {
			return err
		}
	}
	return nil
}

// From goes through the records from key on, and says of each whether it is sound. A
// record that is not may have no key. Nothing may be changed meanwhile.
func (tx *Tx) From(key uint64) iter.Seq2[Record, bool] {
	return func(yield func(Record, bool) bool) {
		if tx.bucket == nil {
			return
		}
		cursor := tx.bucket.Cursor()
		for k, v := cursor.Seek(encodeKey(key)); k != nil; k, v = cursor.Next() {
			tx.seen += len(v)
			if r, sound := parseRecord(k, v); !yield(r, sound) {
				return
			}
		}
	}
}
