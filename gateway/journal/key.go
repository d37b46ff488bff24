package journal

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key identifies a request: its bus, its client, and what tells a redelivery from a
// new request, such as its id together with its payload.
type Key [sha256.Size]byte

// NewKey returns the key of a request. Every part counts, with its place and length.
func NewKey(parts ...[]byte) Key {
	var all []byte
	for _, p := range parts {
		all = binary.BigEndian.AppendUint64(all, uint64(len(p)))
		all = append(all, p...)
	}
	return sha256.Sum256(all)
}
