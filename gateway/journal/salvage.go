package journal

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
// page without id follows.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader  = 16
	elementSize = 16
	metaSize    = 64 // magic, version, page size, flags u32; root, sequence, freelist, pages, txid, checksum u64
	bucketSize  = 16

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagBucket = 0x01 // of a leaf element

	minPageSize = 512
	maxPageSize = 64 << 10
	maxDepth    = 32 // bbolt's trees are far lower
)

// meta is what a meta page says.
type meta struct {
	pageSize int64
	root     uint64
	pages    uint64 // page ids are below that
	txid     uint64
}

// salvage reads the records of a bbolt file without trusting anything in it but
// checksums: it ends, and takes memory in proportion to the size of the file, on any
// input. The error is the first damage found; the records are sound all the same.
func salvage(f io.ReaderAt, size int64) ([]record, error) {
	m, err := findMeta(f)
	if err != nil {
		return nil, err
	}
	s := &salvager{f: f, meta: m, seen: map[uint64]bool{}}
	s.limit = min(m.pages, uint64(size/m.pageSize))
	if s.limit < m.pages {
		s.fail(fmt.Errorf("%w: %d of %d pages are there", errDamaged, s.limit, m.pages))
	}
	found := false
	s.tree(m.root, 0, func(flags uint32, key, value []byte) {
		if flags&flagBucket != 0 && string(key) == bucketName && len(value) >= bucketSize {
			found = true
			s.bucket(value)
		}
	})
	if !found {
		s.fail(errors.New("it is not a journal"))
	}
	return s.records, s.err
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
		pageSize: int64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}
	known := order.Uint32(b) == boltMagic && order.Uint32(b[4:]) == boltVersion
	if !known || sum.Sum64() != order.Uint64(b[metaSize-8:]) || m.pageSize < minPageSize || m.pageSize > maxPageSize {
		return meta{}, errors.New("it is not a database, or both its meta pages are damaged")
	}
	return m, nil
}

// salvager walks through one file.
type salvager struct {
	f       io.ReaderAt
	meta    meta
	limit   uint64          // page ids are below that
	seen    map[uint64]bool // pages that were read: none is read twice
	records []record
	err     error // the first damage
}

func (s *salvager) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// page reads a page with its overflow.
func (s *salvager) page(id uint64) ([]byte, error) {
	if id >= s.limit {
		return nil, damaged("the place", id)
	}
	at := int64(id) * s.meta.pageSize
	header := make([]byte, pageHeader)
	if _, err := s.f.ReadAt(header, at); err != nil {
		return nil, err
	}
	order := binary.NativeEndian
	overflow := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || overflow >= s.limit-id {
		return nil, damaged("the header", id)
	}
	for i := id; i <= id+overflow; i++ {
		if s.seen[i] {
			return nil, damaged("a second use", i)
		}
		s.seen[i] = true
	}
	b := make([]byte, int64(overflow+1)*s.meta.pageSize)
	_, err := s.f.ReadAt(b, at)
	return b, err
}

// tree visits the elements of all leaf pages below a page.
func (s *salvager) tree(id uint64, depth int, visit func(flags uint32, key, value []byte)) {
	b, err := s.page(id)
	if err != nil {
		s.fail(err)
		return
	}
	order := binary.NativeEndian
	switch flags := order.Uint16(b[8:]); {
	case flags == flagLeaf:
		s.leaf(id, b, visit)
	case flags == flagBranch && depth < maxDepth:
		for i := range s.count(id, b) {
			s.tree(order.Uint64(b[pageHeader+elementSize*i+8:]), depth+1, visit)
		}
	default:
		s.fail(damaged("the kind", id))
	}
}

// count returns how many elements a page has, as far as they are inside it.
func (s *salvager) count(id uint64, b []byte) int {
	count := int(binary.NativeEndian.Uint16(b[10:]))
	if room := (len(b) - pageHeader) / elementSize; count > room {
		s.fail(damaged("the count", id))
		return room
	}
	return count
}

func (s *salvager) leaf(id uint64, b []byte, visit func(flags uint32, key, value []byte)) {
	order := binary.NativeEndian
	for i := range s.count(id, b) {
		at := pageHeader + elementSize*i
		key := uint64(at) + uint64(order.Uint32(b[at+4:]))
		value := key + uint64(order.Uint32(b[at+8:]))
		end := value + uint64(order.Uint32(b[at+12:]))
		if end > uint64(len(b)) {
			s.fail(damaged("an element", id))
			continue
		}
		visit(order.Uint32(b[at:]), b[key:value], b[value:end])
	}
}

// bucket reads the records of a bucket.
func (s *salvager) bucket(value []byte) {
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		s.tree(root, 0, s.record)
		return
	}
	if inline := value[bucketSize:]; len(inline) >= pageHeader {
		s.leaf(0, inline, s.record)
	}
}

func (s *salvager) record(_ uint32, key, value []byte) {
	r, err := parseRecord(key, value)
	if err != nil {
		s.fail(err)
		return
	}
	r.reply = bytes.Clone(r.reply) // it would keep its page
	s.records = append(s.records, r)
}
