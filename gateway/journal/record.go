package journal

import (
	"encoding/binary"
	"errors"

	"modferry/gateway/store"
)

// record is what the file says about one write: that it was answered, or that its
// outcome is unknown, which is what an intent comes to if nothing follows it.
type record struct {
	id    uint64 // its key in the file, higher is newer; keeps neighbours in time together
	key   Key
	state State // Answered or Unknown
	wall  int64 // of the reply, Unix milliseconds
	reply []byte
}

const (
	recordFormat = 1
	recordHead   = 1 + 1 + 8 + len(Key{}) // format, state, wall, key
)

var errRecord = errors.New("a record is of another kind")

// data returns what the file has under the id of r: format, state, wall, key, reply.
func (r record) data() []byte {
	b := make([]byte, 0, recordHead+len(r.reply))
	b = append(b, recordFormat, byte(r.state))
	b = binary.BigEndian.AppendUint64(b, uint64(r.wall))
	b = append(b, r.key[:]...)
	return append(b, r.reply...)
}

// parseRecord takes a record of the file apart. The reply is part of its data.
func parseRecord(stored store.Record) (record, error) {
	b := stored.Data
	if len(b) < recordHead {
		return record{}, errRecord
	}
	r := record{
		id:    stored.Key,
		state: State(b[1]),
		wall:  int64(binary.BigEndian.Uint64(b[2:])),
		key:   Key(b[10:recordHead]),
		reply: b[recordHead:],
	}
	if b[0] != recordFormat || r.state != Answered && r.state != Unknown {
		return record{}, errRecord
	}
	return r, nil
}
