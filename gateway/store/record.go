package store

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	keySize = 8
	sumSize = crc32.Size
)

// Record is what is kept under a key.
type Record struct {
	Key  uint64 // from 1 on
	Data []byte // the file's, unless it is said to be a copy: valid within the transaction only
}

// encodeKey returns the key as the file has it: in the order of the numbers.
func encodeKey(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }

// encode returns what the file has under the key: the data and the CRC-32C of the
// key and it. bbolt itself would not notice a changed bit.
func (r Record) encode() []byte {
	value := append(make([]byte, 0, len(r.Data)+sumSize), r.Data...)
	return binary.BigEndian.AppendUint32(value, checksum(encodeKey(r.Key), r.Data))
}

// parseRecord takes an element apart. Its data is part of value. A record that is not
// sound has its key only.
func parseRecord(rawKey, value []byte) (r Record, sound bool) {
	if len(rawKey) != keySize {
		return Record{}, false
	}
	r.Key = binary.BigEndian.Uint64(rawKey)
	if len(value) < sumSize {
		return r, false
	}
	data, sum := value[:len(value)-sumSize], binary.BigEndian.Uint32(value[len(value)-sumSize:])
	if sum != checksum(rawKey, data) || r.Key == 0 || r.Key == 1<<64-1 {
		return r, false
	}
	r.Data = data
	return r, true
}

func checksum(rawKey, data []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(rawKey, table), table, data)
}
