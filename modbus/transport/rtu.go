package transport

import (
	"bytes"
	"errors"
	"time"

	"modferry/modbus"
)

// finder looks for the reply to one request in what a line delivers.
type finder interface {
	// find looks at b, all that was received and not dropped, after which nothing
	// came for silence. It returns the reply frame, which aliases b, or how many
	// leading bytes can be dropped, and after how much silence another look is
	// worth it without further bytes (0 = it is not).
	find(b []byte, silence time.Duration) (frame []byte, drop int, again time.Duration)

	// begins reports whether b, which find left, has unit and function of the reply.
	begins(b []byte) bool

	// spoiled reports whether b has a reply somewhere but for its check code.
	spoiled(b []byte) bool
}

// straggle is the silence after which a frame that began is no longer expected to
// go on: more than USB adapters (16 ms) and TCP converters take between two lumps.
const straggle = 50 * time.Millisecond

// forever is the silence of a reply timeout.
const forever = time.Duration(1<<63 - 1)

// rtuFinder finds RTU replies by unit, function, length and CRC, wherever in the
// noise they begin. What is whole and good but no answer to the request
// (another unit, function, quantity) is dropped like noise.
type rtuFinder struct {
	request modbus.ADU
	silence time.Duration // that ends a reply whose length nothing else tells
}

func (f rtuFinder) begins(b []byte) bool {
	return len(b) > 1 && b[0] == f.request.Unit && b[1]&^0x80 == f.request.PDU.FunctionCode
}

func (f rtuFinder) spoiled(b []byte) bool {
	for i := range b {
		frame := b[i:]
		if !f.begins(frame) {
			continue
		}
		n := modbus.ReplyLength(f.request.PDU, frame[1:])
		if n <= 0 || n > modbus.MaxPDU || len(frame) < n+3 {
			continue
		}
		frame = frame[:n+3]
		_, err := modbus.ParseRTU(frame)
		if isWrongCheck(err) && !bytes.HasPrefix(modbus.AppendRTU(nil, f.request), frame) { // which a line echoes
			return true
		}
	}
	return false
}

func isWrongCheck(err error) bool {
	_, ok := errors.AsType[*modbus.CheckError](err)
	return ok
}

// match is what the bytes at one place can be.
type match uint8

const (
	never   match = iota // no beginning of the reply, whatever follows
	partial              // perhaps; more bytes tell
	open                 // perhaps; silence tells
	whole
)

func (f rtuFinder) find(b []byte, silence time.Duration) (frame []byte, drop int, again time.Duration) {
	drop = -1 // until a place is found where the reply may have begun
	for i := range b {
		n, m := f.at(b[i:], silence)
		switch {
		case m == whole && (drop < 0 || silence >= straggle):
			return b[i : i+n], 0, 0
		case m == whole:
			// The bytes before may be the beginning of a longer reply whose data
			// looks like a frame: they get the time to become it.
			return nil, drop, straggle
		case m == open && again == 0:
			again = f.silence
		}
		if m != never && drop < 0 {
			drop = i
		}
	}
	if drop < 0 {
		drop = len(b)
	}
	if silence >= again {
		again = 0
	}
	return nil, drop, again
}

// at tells what begins at b[0], which has at least one byte, and how long it is.
func (f rtuFinder) at(b []byte, silence time.Duration) (int, match) {
	if b[0] != f.request.Unit {
		return 0, never
	}
	if len(b) < 2 {
		return 0, partial
	}
	if b[1]&^0x80 != f.request.PDU.FunctionCode {
		return 0, never
	}
	switch n := modbus.ReplyLength(f.request.PDU, b[1:]); {
	case n == modbus.More:
		return 0, partial
	case n == modbus.Open:
		return f.openAt(b, silence)
	case n > modbus.MaxPDU:
		return 0, never
	case len(b) < n+3: // unit, PDU, CRC
		return 0, partial
	default:
		return n + 3, f.check(b[:n+3])
	}
}

// openAt finds the end of a reply whose length nothing but silence tells: the
// last place where the CRC is good.
func (f rtuFinder) openAt(b []byte, silence time.Duration) (int, match) {
	full := len(b) >= modbus.MaxRTU
	if silence < f.silence && !full {
		return 0, open
	}
	for n := min(len(b), modbus.MaxRTU); n >= 4; n-- {
		if f.check(b[:n]) == whole {
			return n, whole
		}
	}
	if full {
		return 0, never
	}
	return 0, open
}

func (f rtuFinder) check(frame []byte) match {
	reply, err := modbus.ParseRTU(frame)
	if err != nil || modbus.CheckReply(f.request.PDU, reply.PDU) != nil {
		return never
	}
	return whole
}
