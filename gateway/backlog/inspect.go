package backlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

var errDamaged = errors.New("it is damaged")

// report is what an inspection found.
type report struct {
	last    uint64 // highest key
	count   int64  // sound records
	bytes   int64  // in them
	bad     int    // records that are not sound
	damaged error  // the first thing that is wrong with the file; nil = bbolt can work on it
}

// inspect walks through a bbolt file without trusting anything in it but checksums:
// it ends on any input, and takes memory for one path of the tree and a bit per
// page. Sound records go to visit, which may be nil and must not keep them; its
// error ends the walk and is returned.
func inspect(f io.ReaderAt, size int64, visit func(key uint64, record []byte) error) (report, error) {
	in := &inspector{f: f, visit: visit}
	var err error
	if in.meta, err = findMeta(f); err != nil {
		return report{damaged: err}, nil
	}
	there := uint64(size / in.meta.pageSize)
	in.limit = min(in.meta.pages, there)
	if there < in.meta.pages {
		in.fail(fmt.Errorf("%w: %d of %d pages are there", errDamaged, there, in.meta.pages))
	}
	in.seen = make([]byte, in.limit/8+1)
	found := false
	in.tree(in.meta.root, 0, nil, nil, func(flags uint32, name, value []byte) {
		if flags&flagBucket == 0 || string(name) != bucketName || len(value) < bucketSize || found {
			in.fail(errors.New("it has something else in it"))
			return
		}
		found = true
		in.bucket(value)
	})
	if !found {
		in.fail(errors.New("it is not a backlog"))
	}
	if in.meta.free != noFreeList {
		in.freeList()
	}
	return in.report, in.stopped
}

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

// inspector walks through one file.
type inspector struct {
	f       io.ReaderAt
	meta    meta
	limit   uint64 // page ids are below that
	seen    []byte // a bit for each page that belongs to something
	visit   func(uint64, []byte) error
	stopped error // by visit
	report
}

func (in *inspector) fail(err error) {
	if in.damaged == nil {
		in.damaged = err
	}
}

func (in *inspector) wrong(what string, page uint64) {
	in.fail(fmt.Errorf("%w: %s of page %d", errDamaged, what, page))
}

// claim notes that a page belongs to something, once.
func (in *inspector) claim(id uint64) bool {
	bit := byte(1) << (id % 8)
	if id < 2 || id >= in.limit || in.seen[id/8]&bit != 0 {
		in.wrong("the use", id)
		return false
	}
	in.seen[id/8] |= bit
	return true
}

// page reads a page with its overflow; nil if it cannot be used.
func (in *inspector) page(id uint64) []byte {
	if !in.claim(id) {
		return nil
	}
	header := make([]byte, pageHeader)
	at := int64(id) * in.meta.pageSize
	if _, err := in.f.ReadAt(header, at); err != nil {
		in.fail(err)
		return nil
	}
	more := uint64(binary.NativeEndian.Uint32(header[12:]))
	if binary.NativeEndian.Uint64(header) != id || more >= in.limit-id {
		in.wrong("the header", id)
		return nil
	}
	for i := range more {
		if !in.claim(id + 1 + i) {
			return nil
		}
	}
	b := make([]byte, int64(more+1)*in.meta.pageSize)
	if _, err := in.f.ReadAt(b, at); err != nil {
		in.fail(err)
		return nil
	}
	return b
}

type visitor func(flags uint32, key, value []byte)

// tree visits the elements of all leaf pages below a page. Their keys are from low
// on and below high, where nil is no bound.
func (in *inspector) tree(id uint64, depth int, low, high []byte, visit visitor) {
	b := in.page(id)
	if b == nil || in.stopped != nil {
		return
	}
	switch flags := binary.NativeEndian.Uint16(b[8:]); {
	case flags == flagLeaf:
		in.leaf(id, b, low, high, visit)
	case flags == flagBranch && depth < maxDepth:
		in.branch(id, b, depth, low, high, visit)
	default:
		in.wrong("the kind", id)
	}
}

func (in *inspector) branch(id uint64, b []byte, depth int, low, high []byte, visit visitor) {
	count := in.elements(id, b)
	if count == 0 {
		in.wrong("the count", id)
	}
	key := func(i int) []byte { // nil if it is not inside the page
		at := pageHeader + elementSize*i
		start := uint64(at) + uint64(binary.NativeEndian.Uint32(b[at:]))
		end := start + uint64(binary.NativeEndian.Uint32(b[at+4:]))
		if end > uint64(len(b)) {
			in.wrong("an element", id)
			return nil
		}
		return b[start:end]
	}
	for i := range count {
		from, to := key(i), high
		if i+1 < count {
			to = key(i + 1)
		}
		in.ordered(id, i == 0, low, from, high)
		in.tree(binary.NativeEndian.Uint64(b[pageHeader+elementSize*i+8:]), depth+1, from, to, visit)
		low = from
	}
}

// ordered checks that key is below high, and above low or, for the first of a page,
// low itself: the key that the page above has for this one.
func (in *inspector) ordered(id uint64, first bool, low, key, high []byte) {
	up := 1
	if first {
		up = 0
	}
	if low != nil && bytes.Compare(key, low) != up || high != nil && bytes.Compare(key, high) >= 0 {
		in.wrong("the order", id)
	}
}

// elements returns how many elements a page has, as far as they are inside it.
func (in *inspector) elements(id uint64, b []byte) int {
	count := int(binary.NativeEndian.Uint16(b[10:]))
	if room := (len(b) - pageHeader) / elementSize; count > room {
		in.wrong("the count", id)
		return room
	}
	return count
}

func (in *inspector) leaf(id uint64, b, low, high []byte, visit visitor) {
	order := binary.NativeEndian
	for i := range in.elements(id, b) {
		at := pageHeader + elementSize*i
		key := uint64(at) + uint64(order.Uint32(b[at+4:]))
		value := key + uint64(order.Uint32(b[at+8:]))
		end := value + uint64(order.Uint32(b[at+12:]))
		if end > uint64(len(b)) {
			in.wrong("an element", id)
			continue
		}
		in.ordered(id, i == 0, low, b[key:value], high)
		low = b[key:value]
		visit(order.Uint32(b[at:]), low, b[value:end])
	}
}

// bucket reads the records.
func (in *inspector) bucket(value []byte) {
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		in.tree(root, 0, nil, nil, in.record)
	} else if inline := value[bucketSize:]; len(inline) >= pageHeader && binary.NativeEndian.Uint16(inline[8:]) == flagLeaf {
		in.leaf(0, inline, nil, nil, in.record)
	} else {
		in.wrong("the bucket", 0)
	}
}

func (in *inspector) record(flags uint32, rawKey, value []byte) {
	key, record, ok := parseValue(rawKey, value)
	if flags != 0 || !ok || key == 1<<64-1 {
		in.bad++
		in.fail(fmt.Errorf("%w: a record", errDamaged))
		return
	}
	in.count++
	in.bytes += int64(len(record))
	in.last = max(in.last, key)
	if in.visit != nil && in.stopped == nil {
		in.stopped = in.visit(key, record)
	}
}

// freeList checks that no page that is used is also called free.
func (in *inspector) freeList() {
	b := in.page(in.meta.free)
	if b == nil {
		return
	}
	order := binary.NativeEndian
	if order.Uint16(b[8:]) != flagFree {
		in.wrong("the kind", in.meta.free)
		return
	}
	count, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if count == manyFree {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		in.wrong("the count", in.meta.free)
		return
	}
	for i := range count {
		in.claim(order.Uint64(ids[8*i:]))
	}
}
