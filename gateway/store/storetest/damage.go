package storetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Damaged returns what is left of a file: cut off, where it hurts and at so many other
// places; with one other bit, in the header of each page and at so many other places;
// and what is no such file at all.
func Damaged(content []byte, others int) iter.Seq2[string, []byte] {
	cuts, flips := []int{1, 15, 16, 63, 64, 80, 4095, 4096, 4096 + 80, 8191, 8192, 12288, len(content) - 1, len(content) - 4096}, []int(nil)
	for page := 0; page+64 < len(content); page += os.Getpagesize() {
		flips = append(flips, page+rand.IntN(64))
	}
	for range others {
		cuts, flips = append(cuts, rand.IntN(len(content))), append(flips, rand.IntN(len(content)))
	}
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	return func(yield func(string, []byte) bool) {
		for _, size := range cuts {
			if !yield(fmt.Sprintf("cut off to %d of %d bytes", size, len(content)), content[:size]) {
				return
			}
		}
		for _, at := range flips {
			bit, flipped := rand.IntN(8), bytes.Clone(content)
			flipped[at] ^= 1 << bit
			if !yield(fmt.Sprintf("bit %d of byte %d", bit, at), flipped) {
				return
			}
		}
		_ = yield("empty", nil) && yield("text", []byte("hello, this is no database")) &&
			yield("random", random) && yield("zeros", make([]byte, 1<<20))
	}
}

// Mark changes one byte wherever a text is in a file, older copies too, and returns
// how often that was.
func Mark(content, text []byte) (marks int) {
	for at := bytes.Index(content, text); at >= 0; at = bytes.Index(content, text) {
		content[at+len(text)/2] ^= 1
		marks++
	}
	return marks
}

// Circle makes all children of every branch page the page itself, which would be
// walked for ever, and returns how many pages those are.
func Circle(content []byte) (circles int) {
	const branch, header, element = 0x01, 16, 16
	order, size := binary.NativeEndian, os.Getpagesize()
	for at := 2 * size; at < len(content); at += size {
		page := content[at:]
		if order.Uint16(page[8:]) != branch {
			continue
		}
		circles++
		for i := range order.Uint16(page[10:]) {
			copy(page[header+element*int(i)+8:], page[:8])
		}
	}
	return circles
}

// Failures are the ways in which a file that is open may fail.
func Failures() map[string]func(t *testing.T, path string) {
	return map[string]func(*testing.T, string){
		"file is removed": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"directory is removed": func(t *testing.T, path string) {
			must(t, os.RemoveAll(filepath.Dir(path)))
		},
		"file is replaced": func(t *testing.T, path string) {
			Write(t, path+"x", []byte("something else"))
			must(t, os.Rename(path+"x", path))
		},
		"file is cut off under the memory map": func(t *testing.T, path string) {
			must(t, os.Truncate(path, 4096))
		},
		"pages are overwritten": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			defer f.Close()
			size, err := f.Seek(0, 2)
			must(t, err)
			_, err = f.WriteAt(bytes.Repeat([]byte{0xA5}, int(size)-8192), 8192)
			must(t, err)
		},
	}
}

// Unusable returns a directory below a file, which no user can make.
func Unusable(t testing.TB) (dir string, repair func()) {
	t.Helper()
	parent := filepath.Join(t.TempDir(), "parent")
	Write(t, parent, nil)
	return filepath.Join(parent, "data"), func() { must(t, os.Remove(parent)) }
}

// Broken returns the files in a directory that were set aside.
func Broken(t testing.TB, dir string) []string {
	t.Helper()
	broken, err := filepath.Glob(filepath.Join(dir, "*.broken-*"))
	must(t, err)
	return broken
}

// Transactions returns how many transactions a file has seen.
func Transactions(t testing.TB, path string) uint64 {
	t.Helper()
	const txid = 16 + 48 // in each of the two meta pages
	content, order := Read(t, path), binary.NativeEndian
	return max(order.Uint64(content[txid:]), order.Uint64(content[os.Getpagesize()+txid:]))
}

// Read returns what is in a file.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

// Write makes a file.
func Write(t testing.TB, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
