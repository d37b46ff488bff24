package server

import (
	"encoding/binary"

	"modferry/modbus"
)

// rtuFinder finds requests among everything else that is said on an RTU line.
//
// A frame is known by the length that its own bytes tell, and by its CRC. What may
// be a request of one length may also be another unit's reply of another; the one
// whose CRC is good is it. Bytes that can be neither are noise, and the search goes
// on with the next. Silence only decides about what the bytes cannot tell.
type rtuFinder struct {
	buf   []byte // what was not yet understood begins at start
	start int
	fresh bool // nothing of buf[start:] was given up: it begins after a frame or silence
}

// maxHeard bounds the bytes kept; a frame has at most 256.
const maxHeard = 4 * modbus.MaxRTU

func (f *rtuFinder) append(b []byte) {
	if f.start == len(f.buf) {
		f.buf, f.start, f.fresh = f.buf[:0], 0, true
	}
	if f.start > 0 && len(f.buf)+len(b) > maxHeard {
		f.buf = f.buf[:copy(f.buf, f.buf[f.start:])]
		f.start = 0
	}
	f.buf = append(f.buf, b...)
}

func (f *rtuFinder) next(silent bool) (modbus.ADU, bool, wait) {
	for f.start < len(f.buf) {
		b := f.buf[f.start:]
		n, m := match(b)
		switch {
		case m == unfinished && !silent:
			return modbus.ADU{}, false, forRest
		case m == open && !silent && len(b) <= modbus.MaxRTU:
			return modbus.ADU{}, false, forSilence
		case m == open && silent && f.fresh && goodCRC(b): // what noise precedes must tell its length
			n, m = len(b), aRequest
		}
		if m != aRequest && m != passing {
			f.start++
			f.fresh = false
			continue
		}
		f.start += n
		f.fresh = true
		if m == aRequest {
			return modbus.ADU{Unit: b[0], PDU: modbus.PDU{FunctionCode: b[1], Data: b[2 : n-2]}}, true, forever
		}
	}
	return modbus.ADU{}, false, forever
}

// matched is what the bytes of a line begin with.
type matched uint8

const (
	noise      matched = iota
	unfinished         // a frame may have begun
	open               // a frame may have begun whose bytes do not tell its length
	passing            // another unit's reply
	aRequest
)

// match returns what b begins with, and its length in bytes if it is whole.
func match(b []byte) (int, matched) {
	if len(b) < 2 {
		return 0, unfinished
	}
	if b[0] > modbus.MaxUnit || b[1] == 0 {
		return 0, noise
	}
	request := frameLength(modbus.RequestLength(b[1:]))
	reply := frameLength(modbus.ReplyLength(modbus.PDU{}, b[1:]))
	if b[1] >= 0x80 {
		request = tooLong // only replies are exceptions
	}
	switch {
	case request.whole(b):
		return int(request), aRequest
	case reply.whole(b):
		return int(reply), passing
	case request == modbus.Open || reply == modbus.Open || loopback(b):
		return 0, open
	case request.pending(b) || reply.pending(b):
		return 0, unfinished
	}
	return 0, noise
}

// loopback: a frame that begins so may carry any number of words [App 6.8.1].
func loopback(b []byte) bool {
	return b[1] == modbus.Diagnostics && (len(b) < 4 || b[2] == 0 && b[3] == 0)
}

// size is the length of an RTU frame in bytes, or modbus.More or modbus.Open.
type size int

const tooLong size = modbus.MaxRTU + 1

func frameLength(pdu int) size {
	switch {
	case pdu == modbus.More || pdu == modbus.Open:
		return size(pdu)
	case pdu > modbus.MaxPDU:
		return tooLong
	}
	return size(pdu + 3) // unit and CRC
}

func (n size) whole(b []byte) bool {
	return n > 0 && n < tooLong && int(n) <= len(b) && goodCRC(b[:n])
}

func (n size) pending(b []byte) bool { return n == modbus.More || n < tooLong && int(n) > len(b) }

func goodCRC(b []byte) bool {
	n := len(b) - 2
	return n >= 2 && n+2 <= modbus.MaxRTU && binary.LittleEndian.Uint16(b[n:]) == modbus.CRC(b[:n])
}
