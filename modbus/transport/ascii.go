package transport

import (
	"bytes"
	"encoding/hex"
	"time"

	"modferry/modbus"
)

// characterTimeout is how long an ASCII frame may pause between two characters
// before what came of it is forgotten [Serial 2.5.2.1].
const characterTimeout = time.Second

// asciiFinder finds ASCII replies: lines that begin with ':', end with LF, have a
// good LRC and answer the request. What comes before a ':' is noise.
type asciiFinder struct{ request modbus.ADU }

func (f asciiFinder) find(b []byte, silence time.Duration) (frame []byte, drop int, again time.Duration) {
	for drop < len(b) {
		start := bytes.IndexByte(b[drop:], ':')
		if start < 0 {
			return nil, len(b), 0
		}
		drop += start
		line := b[drop:]
		next := 1 + bytes.IndexAny(line[1:], ":\n")
		if next == 0 {
			return f.unfinished(b, drop, silence)
		}
		if line[next] == ':' { // restarts the frame, whatever came before it [Serial 2.5.2.1]
			drop += next
			continue
		}
		line = line[:next+1]
		if f.answers(line) {
			return line, 0, 0
		}
		drop += len(line)
	}
	return nil, drop, 0
}

func (f asciiFinder) unfinished(b []byte, drop int, silence time.Duration) ([]byte, int, time.Duration) {
	if silence >= characterTimeout || len(b)-drop > modbus.MaxASCII {
		return nil, len(b), 0
	}
	return nil, drop, characterTimeout
}

func (f asciiFinder) begins(b []byte) bool {
	head := make([]byte, 2)
	if len(b) < 5 || b[0] != ':' {
		return false
	}
	_, err := hex.Decode(head, b[1:5])
	return err == nil && head[0] == f.request.Unit && head[1]&^0x80 == f.request.PDU.FunctionCode
}

func (f asciiFinder) spoiled(b []byte) bool {
	for _, line := range bytes.SplitAfter(b, []byte{'\n'}) {
		line = line[max(0, bytes.LastIndexByte(line, ':')):]
		if _, err := modbus.ParseASCII(line); f.begins(line) && isWrongCheck(err) {
			return true
		}
	}
	return false
}

func (f asciiFinder) answers(line []byte) bool {
	reply, err := modbus.ParseASCII(line)
	return err == nil && modbus.Answers(f.request, reply) == nil
}
