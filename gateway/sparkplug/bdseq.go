package sparkplug

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"modferry/configs/plainfile"
	"modferry/gateway/wholefile"
)

// bdSeq is the number that tells the connections of a node apart, in its births and
// deaths; it goes from 0 to 255 and begins again [tck-id-payloads-nbirth-bdseq-inc].
type bdSeq struct {
	file   string // "" = it begins anywhere in each process
	number uint8  // of the present connection
}

// newBDSeq goes on where an earlier process was. A file that does not say is no reason
// not to work.
func newBDSeq(file string) bdSeq {
	b := bdSeq{file: file, number: uint8(rand.N(256))}
	if file == "" {
		return b
	}
	text, err := plainfile.Read(file)
	if err != nil {
		return b
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8); err == nil {
		b.number = uint8(n)
	}
	return b
}

// next goes on to the next connection. The error says that the next process may not
// know of it.
func (b *bdSeq) next() error {
	b.number++
	if b.file == "" {
		return nil
	}
	// After a power cut the number may be an old one, which costs a host one late NDEATH at most.
	if err := wholefile.Write(b.file, fmt.Appendln(nil, b.number)); err != nil {
		return fmt.Errorf("cannot write %s: %w", b.file, err)
	}
	return nil
}
