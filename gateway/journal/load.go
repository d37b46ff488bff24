package journal

import (
	"bytes"
	"cmp"

	"modferry/gateway/store"
)

const bucketName = "writes"

// load reads the file that an earlier process left, if any. broken says why the
// file is not sound; the records are those that are. err says that it could not be
// read, or is in use.
func load(place *store.Place) (records []record, broken, err error) {
	found, err := place.Look(func(stored store.Record) error {
		r, err := parseRecord(stored)
		if err != nil {
			broken = err
			return nil
		}
		r.reply = bytes.Clone(r.reply) // it would keep its page
		records = append(records, r)
		return nil
	})
	return records, cmp.Or(found.Damage, broken), err
}

// change is a record to write, or to delete if it has no data.
type change struct {
	id   uint64
	data []byte
}

// write makes one transaction of all changes.
func write(f *store.File, changes []change) error {
	return f.Update(func(tx *store.Tx) error {
		for _, c := range changes {
			var err error
			if c.data == nil {
				err = tx.Delete(c.id)
			} else {
				err = tx.Put(c.id, c.data)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
