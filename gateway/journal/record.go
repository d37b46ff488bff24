package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
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
	recordTail   = crc32.Size
)

var errRecord = errors.New("a record is damaged")

// value returns what the file has under the id of r: format, state, wall, key,
// reply, and the CRC-32C of its id and all that. bbolt itself would not notice a
// changed bit.
func (r record) value() []byte {
	b := make([]byte, 0, recordHead+len(r.reply)+recordTail)
	b = append(b, recordFormat, byte(r.state))
	b = binary.BigEndian.AppendUint64(b, uint64(r.wall))
	b = append(b, r.key[:]...)
	b = append(b, r.reply...)
	return binary.BigEndian.AppendUint32(b, recordSum(recordID(r.id), b))
}

// parseRecord takes a value apart. The reply is part of value.
func parseRecord(id, value []byte) (record, error) {
	if len(id) != 8 || len(value) < recordHead+recordTail {
		return record{}, errRecord
	}
	body, sum := value[:len(value)-recordTail], value[len(value)-recordTail:]
	r := record{
		id:    binary.BigEndian.Uint64(id),
		state: State(body[1]),
		wall:  int64(binary.BigEndian.Uint64(body[2:])),
		key:   Key(body[10:recordHead]),
		reply: body[recordHead:],
	}
	known := body[0] == recordFormat && (r.state == Answered || r.state == Unknown)
	if !known || recordSum(id, body) != binary.BigEndian.Uint32(sum) {
		return record{}, errRecord
	}
	return r, nil
}

func recordID(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func recordSum(id, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(id, table), table, body)
}
