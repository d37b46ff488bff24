package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modferry/configs/plainfile"
)

// writeStore writes a file with these records to the disk.
func writeStore(name string, all map[string]value) (size int64, err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	if _, err = file.WriteString(storeMagic); err != nil {
		return 0, err
	}
	out := frames{w: file, written: int64(len(storeMagic))}
	out.add(string(kindAlive), value{bytes: aliveRecord()})
	for key, v := range all {
		out.add(key, v)
	}
	if err = out.end(); err == nil {
		err = file.Sync()
	}
	return out.written, err
}

// frames writes records in frames.
type frames struct {
	w       io.Writer
	buffer  []byte
	scratch []byte // one message
	written int64
	err     error
}

const frameHeader = 8

func (f *frames) add(key string, v value) {
	if len(f.buffer) == 0 {
		f.buffer = append(f.buffer, make([]byte, frameHeader)...)
	}
	f.buffer = append(binary.AppendUvarint(f.buffer, uint64(len(key))), key...)
	body := v.bytes
	if v.message != nil {
		f.scratch = v.message.append(f.scratch[:0], v.from, time.Now())
		body = f.scratch
	}
	f.buffer = append(binary.AppendUvarint(f.buffer, uint64(len(body))), body...)
	if len(f.buffer) >= frameBytes {
		f.flush()
	}
}

func (f *frames) flush() {
	if len(f.buffer) == 0 || f.err != nil {
		return
	}
	records := f.buffer[frameHeader:]
	binary.BigEndian.PutUint32(f.buffer, uint32(len(records)))
	binary.BigEndian.PutUint32(f.buffer[4:], crc32.Checksum(records, castagnoli))
	var n int
	n, f.err = f.w.Write(f.buffer)
	f.written += int64(n)
	f.buffer = f.buffer[:0]
}

func (f *frames) end() error {
	f.flush()
	return f.err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// load reads what an earlier process left. A file that is damaged is set aside; what
// comes before the damage counts. That the last frame is cut off is no damage: the
// power went while it was written, and nobody was told that it is there.
func (s *store) load() (map[string][]byte, error) {
	file, err := plainfile.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // the first start
	}
	if err != nil {
		return nil, err
	}
	records, broken := readStore(bufio.NewReaderSize(io.LimitReader(file, maxStore), 64<<10))
	_ = file.Close() // only read
	if broken == nil {
		return records, nil
	}
	aside, err := setAside(s.path, time.Now())
	if err != nil {
		return records, fmt.Errorf("it is damaged (%w) and cannot be set aside: %w", broken, err)
	}
	s.log.Warn("the broker's file was damaged and is set aside; what comes before the damage is kept", "path", aside, "error", broken)
	return records, nil
}

// readStore returns the records of a file, and what is wrong with it.
func readStore(r *bufio.Reader) (map[string][]byte, error) {
	records := map[string][]byte{}
	magic := make([]byte, len(storeMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != storeMagic {
		return records, errors.New("it is not a file of the broker")
	}
	for {
		head := make([]byte, frameHeader)
		if _, err := io.ReadFull(r, head); err != nil {
			return records, nil // the end, or a frame that is cut off
		}
		n := binary.BigEndian.Uint32(head)
		if n == 0 || n > maxFrame {
			if n == 0 && onlyZeros(r) {
				return records, nil // the file was longer on disk than what was written to it
			}
			return records, errors.New("a frame has no sensible length")
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(r, frame); err != nil {
			return records, nil //nolint:nilerr // cut off
		}
		if crc32.Checksum(frame, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			if _, err := r.Peek(1); err != nil {
				return records, nil //nolint:nilerr // the last one, half written
			}
			return records, errors.New("a frame has a wrong checksum")
		}
		if err := readRecords(frame, records); err != nil {
			return records, err
		}
	}
}

func onlyZeros(r io.ByteReader) bool {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return true
		}
		if b != 0 {
			return false
		}
	}
}

func readRecords(frame []byte, into map[string][]byte) error {
	for len(frame) > 0 {
		var parts [2][]byte
		for i := range parts {
			n, size := binary.Uvarint(frame)
			if size <= 0 || n > uint64(len(frame)-size) {
				return errors.New("a record goes beyond its frame")
			}
			parts[i], frame = frame[size:size+int(n)], frame[size+int(n):]
		}
		if len(parts[0]) == 0 {
			return errors.New("a record has no key")
		}
		if len(parts[1]) == 0 {
			delete(into, string(parts[0]))
		} else {
			into[string(parts[0])] = bytes.Clone(parts[1]) // it would keep its frame
		}
	}
	return nil
}

// setAside renames a file that cannot be used, for people to look at, and removes
// the oldest of those.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".broken-" + now.UTC().Format("20060102T150405.000000000")
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return aside, nil //nolint:nilerr // then there are more of them
	}
	var old []string
	for _, n := range names {
		if strings.HasPrefix(n.Name(), storeName+".broken-") {
			old = append(old, filepath.Join(filepath.Dir(path), n.Name()))
		}
	}
	slices.Sort(old)
	for _, o := range old[:max(0, len(old)-keepBroken)] {
		_ = os.Remove(o)
	}
	return aside, nil
}
