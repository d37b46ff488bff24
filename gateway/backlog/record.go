package backlog

import (
	"errors"

	"modferry/gateway/store"
)

// perItem is about what a record takes in memory, or in the file, besides its bytes.
const perItem = 64

// item is a record on its way.
type item struct {
	record []byte
	key    uint64 // in the file; 0 = not there yet
	taken  bool   // part of the batch that is being delivered
}

func (i *item) cost() int64 { return int64(len(i.record)) + perItem }

// change is what one transaction does, in this order.
type change struct {
	remove []uint64 // keys
	owed   []uint64 // keys that should have been removed before
	drop   int64    // the oldest records, until they cost that much together
	above  uint64   // but only those with keys above
	add    []*item  // which get their keys: those grow, so that their order is that of time
	last   uint64   // the highest key so far
}

// apply makes the transaction.
func (c change) apply(f *store.File) (dropped int, err error) {
	err = f.Update(func(tx *store.Tx) error {
		if err := errors.Join(tx.Delete(c.remove...), tx.Delete(c.owed...)); err != nil {
			return err
		}
		oldest := c.oldest(tx)
		dropped = len(oldest)
		if err := tx.Delete(oldest...); err != nil {
			return err
		}
		return c.append(tx)
	})
	return dropped, err
}

// oldest returns the keys of the records to drop.
func (c change) oldest(tx *store.Tx) (keys []uint64) {
	if c.drop <= 0 {
		return nil
	}
	for r := range tx.From(c.above + 1) {
		keys = append(keys, r.Key)
		if c.drop -= int64(len(r.Data)) + perItem; c.drop <= 0 {
			break
		}
	}
	return keys
}

func (c change) append(tx *store.Tx) error {
	last := max(c.last, tx.Last())
	for _, i := range c.add {
		if i.key == 0 {
			i.key = last + 1
		}
		last = max(last, i.key)
		if err := tx.Put(i.key, i.record); err != nil {
			return err
		}
	}
	return nil
}

// oldestRecords returns copies of the first records, at most so many with so many
// bytes, but at least one, of those that were not delivered; and the keys of those that turned out to be damaged.
func oldestRecords(w *writer, most, bytes int) (items []*item, bad []uint64, err error) {
	err = w.file.View(func(tx *store.Tx) error {
		for r, sound := range tx.From(w.begins) {
			if _, owed := w.owed[r.Key]; owed {
				continue
			}
			if !sound {
				bad = append(bad, r.Key)
				continue
			}
			if bytes -= len(r.Data) + 1; bytes < 0 && len(items) > 0 {
				return nil
			}
			items = append(items, &item{record: append([]byte(nil), r.Data...), key: r.Key})
			if len(items) == most {
				return nil
			}
		}
		return nil
	})
	return items, bad, err
}
