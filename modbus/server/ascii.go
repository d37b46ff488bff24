package server

import (
	"bytes"

	"modferry/modbus"
)

// asciiFinder finds requests between ':' and CR LF. A ':' always begins a new frame
// and discards what was not finished [Serial 2.5.2.1].
type asciiFinder struct {
	buf   []byte
	start int
}

func (f *asciiFinder) append(b []byte) {
	f.buf = f.buf[:copy(f.buf, f.buf[f.start:])]
	f.start = 0
	f.buf = append(f.buf, b...)
}

func (f *asciiFinder) next(silent bool) (modbus.ADU, bool, wait) {
	for {
		line, found := f.line()
		if !found {
			break
		}
		if a, err := modbus.ParseASCII(line); err == nil {
			return a, true, forever
		}
	}
	rest := f.buf[f.start:]
	colon := bytes.LastIndexByte(rest, ':')
	if colon < 0 || silent || len(rest)-colon > modbus.MaxASCII {
		f.start = len(f.buf)
		return modbus.ADU{}, false, forever
	}
	f.start += colon
	return modbus.ADU{}, false, forRest
}

// line takes the next line that ends with LF, from its last ':' on.
func (f *asciiFinder) line() ([]byte, bool) {
	rest := f.buf[f.start:]
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		return nil, false
	}
	f.start += end + 1
	return rest[max(0, bytes.LastIndexByte(rest[:end], ':')) : end+1], true
}
