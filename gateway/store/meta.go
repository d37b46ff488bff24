package store

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
)

// The bbolt file format, version 2, in the byte order of the machine. A file is an
// array of pages. A page has a header {id u64, flags u16, count u16, overflow u32};
// overflow pages follow it as one with it. Pages 0 and 1 are the meta pages; the
// valid one with the higher transaction id counts. Elements of a branch page are
// {pos u32, ksize u32, page u64}; of a leaf page {flags u32, pos u32, ksize u32,
// vsize u32}, where pos counts from the element to its key, which its value follows.
// The value of a bucket is {root page u64, sequence u64}, and if the root is 0 a
// page without id follows. The list of free pages is an array of page ids; a count
// of 0xFFFF means that the first of them is the count.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader  = 16
	elementSize = 16
	metaSize    = 64 // magic, version, page size, flags u32; root, sequence, free list, pages, txid, checksum u64
	bucketSize  = 16

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagFree   = 0x10
	flagBucket = 0x01 // of a leaf element

	noFreeList  = 1<<64 - 1
	manyFree    = 0xFFFF
	minPageSize = 512
	maxPageSize = 64 << 10
	maxDepth    = 32 // bbolt's trees are far lower
)

// meta is what a meta page says.
type meta struct {
	pageSize int64
	root     uint64
	free     uint64 // page of the list of free pages, or noFreeList
	pages    uint64 // page ids are below that
	txid     uint64
}

// findMeta returns the meta page that counts. The other one may be torn: it is the
// one that was being written when the power went.
func findMeta(f io.ReaderAt) (meta, error) {
	best, err := readMeta(f, 0)
	for size := int64(minPageSize); size <= maxPageSize; size *= 2 {
		if err == nil && size != best.pageSize {
			continue
		}
		if second, wrong := readMeta(f, size); wrong == nil && second.pageSize == size && (err != nil || second.txid > best.txid) {
			return second, nil
		}
	}
	return best, err
}

func readMeta(f io.ReaderAt, at int64) (meta, error) {
	b := make([]byte, metaSize)
	if _, err := f.ReadAt(b, at+pageHeader); err != nil {
		return meta{}, errors.New("it is too short")
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	m := meta{
		pageSize: int64(order.Uint32(b[8:])), root: order.Uint64(b[16:]),
		free: order.Uint64(b[32:]), pages: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	known := order.Uint32(b) == boltMagic && order.Uint32(b[4:]) == boltVersion
	if !known || sum.Sum64() != order.Uint64(b[metaSize-8:]) || m.pageSize < minPageSize || m.pageSize > maxPageSize {
		return meta{}, errors.New("it is not a database, or both its meta pages are damaged")
	}
	return m, nil
}
