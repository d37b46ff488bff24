package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errDamaged = errors.New("it is damaged")

// Contents is what a file has in it.
type Contents struct {
	Last  uint64 // highest key that was ever used
	Count int64  // sound records
	Bytes int64  // of data in them
}

// Report is what was found in a place.
type Report struct {
	Contents
	Missing bool   // there is no file
	Damage  error  // the first thing that is wrong with the file; nil = the database can work on it
	Unsound int    // records whose checksum is wrong
	Aside   string // where [Place.Open] has put a damaged file
}

// inspect walks through a bbolt file without trusting anything in it but checksums:
// it ends on any input, and takes memory for one path of the tree and two bits per
// page. Sound records go to visit, which may be nil and must not keep them; its
// error ends the walk and is returned.
func inspect(f io.ReaderAt, size int64, bucket string, visit func(Record) error) (Report, error) {
	in := &inspector{f: f, visit: visit}
	var err error
	if in.meta, err = findMeta(f); err != nil {
		return Report{Damage: err}, nil
	}
	there := uint64(size / in.meta.pageSize)
	in.limit = min(in.meta.pages, there)
	if there < in.meta.pages {
		in.fail(fmt.Errorf("%w: %d of %d pages are there", errDamaged, there, in.meta.pages))
	}
	in.used, in.read, in.left = newPageSet(in.limit), newPageSet(in.limit), readings*in.limit
	found := false
	in.tree(in.meta.root, 0, nil, nil, func(flags uint32, name, value []byte) {
		if flags&flagBucket == 0 || string(name) != bucket || len(value) < bucketSize || found {
			in.fail(errors.New("it has something else in it"))
			return
		}
		found = true
		in.bucket(value)
	})
	if !found {
		in.fail(fmt.Errorf("it has no %q in it", bucket))
	}
	if in.meta.free != noFreeList {
		in.freeList()
	}
	return in.report, in.stopped
}

// pageSet has a bit for each page.
type pageSet []byte

func newPageSet(limit uint64) pageSet { return make(pageSet, limit/8+1) }

// add reports whether the page was not in the set before.
func (s pageSet) add(id uint64) bool {
	bit := byte(1) << (id % 8)
	before := s[id/8]
	s[id/8] |= bit
	return before&bit == 0
}

// readings bounds how much is read, in sizes of the file: a damaged page may claim
// many others, which are read nevertheless.
const readings = 8

// inspector walks through one file.
type inspector struct {
	f       io.ReaderAt
	meta    meta
	limit   uint64  // page ids are below that
	used    pageSet // pages that belong to something
	read    pageSet // pages that were read: none is the beginning of two things
	left    uint64  // pages that may still be read
	visit   func(Record) error
	stopped error // by visit
	report  Report
}

func (in *inspector) fail(err error) {
	if in.report.Damage == nil {
		in.report.Damage = err
	}
}

func (in *inspector) wrong(what string, page uint64) {
	in.fail(fmt.Errorf("%w: %s of page %d", errDamaged, what, page))
}

// claim notes that a page belongs to something, which may be so once.
func (in *inspector) claim(id uint64) {
	if id < 2 || id >= in.limit || !in.used.add(id) {
		in.wrong("the use", id)
	}
}

// page reads a page with its overflow; nil if it cannot be used.
func (in *inspector) page(id uint64) []byte {
	in.claim(id)
	if id < 2 || id >= in.limit || !in.read.add(id) {
		return nil
	}
	header := make([]byte, pageHeader)
	at := int64(id) * in.meta.pageSize
	if _, err := in.f.ReadAt(header, at); err != nil {
		in.fail(err)
		return nil
	}
	if binary.NativeEndian.Uint64(header) != id || in.left == 0 {
		in.wrong("the header", id)
		return nil
	}
	more := uint64(binary.NativeEndian.Uint32(header[12:]))
	if more >= min(in.limit-id, in.left) {
		in.wrong("the size", id)
		more = 0 // what is on the page itself may be sound
	}
	in.left -= more + 1
	for i := range more {
		in.claim(id + 1 + i)
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
	if in.stopped != nil {
		return
	}
	b := in.page(id)
	if b == nil {
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
	order, count := binary.NativeEndian, in.elements(id, b)
	for i := range count {
		at := pageHeader + elementSize*i
		key := uint64(at) + uint64(order.Uint32(b[at+4:]))
		if i == 0 && key != uint64(pageHeader+elementSize*count) { // keys follow the last element
			in.wrong("the count", id)
		}
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
		return
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader {
		in.wrong("the bucket", 0)
		return
	}
	if binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		in.wrong("the kind", 0)
	}
	in.leaf(0, inline, nil, nil, in.record)
}

func (in *inspector) record(flags uint32, rawKey, value []byte) {
	r, sound := parseRecord(rawKey, value)
	if flags != 0 || !sound {
		in.fail(fmt.Errorf("%w: a record", errDamaged))
	}
	if !sound {
		in.report.Unsound++
		return
	}
	in.report.Count++
	in.report.Bytes += int64(len(r.Data))
	in.report.Last = max(in.report.Last, r.Key)
	if in.visit != nil && in.stopped == nil {
		in.stopped = in.visit(r)
	}
}

// freeList checks that no page that is used is also called free, and that there is
// no third kind: a reference to the wrong page leaves some.
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
	for id := uint64(2); id < in.limit && in.report.Damage == nil; id++ {
		if in.used.add(id) {
			in.wrong("the loss", id)
		}
	}
}
