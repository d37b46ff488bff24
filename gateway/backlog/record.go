package backlog

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	keySize = 8
	sumSize = crc32.Size
	perItem = 64 // about what a record takes in memory, or in the file, besides its bytes
)

// item is a record on its way.
type item struct {
	record []byte
	key    uint64 // in the file; 0 = not there yet
	taken  bool   // part of the batch that is being delivered
}

func (i *item) cost() int64 { return int64(len(i.record)) + perItem }

// encodeKey returns the key of a record. Keys count up, so that their order is that of time.
func encodeKey(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }

// encodeValue returns what the file has under key: the record and the CRC-32C of
// the key and it. bbolt itself would not notice a changed bit.
func encodeValue(key uint64, record []byte) []byte {
	value := append(make([]byte, 0, len(record)+sumSize), record...)
	return binary.BigEndian.AppendUint32(value, checksum(encodeKey(key), record))
}

// parseValue takes an element apart. The record is part of value.
func parseValue(rawKey, value []byte) (key uint64, record []byte, ok bool) {
	if len(rawKey) != keySize || len(value) < sumSize {
		return 0, nil, false
	}
	key, record = binary.BigEndian.Uint64(rawKey), value[:len(value)-sumSize]
	sum := binary.BigEndian.Uint32(value[len(record):])
	return key, record, key != 0 && sum == checksum(rawKey, record)
}

func checksum(rawKey, record []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(rawKey, table), table, record)
}
