package modbus

import "encoding/binary"

// What the length functions answer when there is no number.
const (
	More = 0  // more bytes are needed before the length is known
	Open = -1 // the bytes do not tell: only silence (or the header) ends the message
)

// length describes how long a PDU is: base bytes, and the value of a count field.
type length struct {
	base  int  // bytes without the counted part; -1 = see the function
	count int  // index of the count field in the PDU; 0 = no count field
	wide  bool // the count field has two bytes
}

func fixed(n int) length          { return length{base: n} }
func counted(base, at int) length { return length{base: base, count: at} }

func (l length) of(p []byte) int {
	switch {
	case l.base < 0:
		return Open
	case l.count == 0:
		return l.base
	case l.wide && len(p) < l.count+2, len(p) <= l.count:
		return More
	case l.wide:
		return l.base + int(binary.BigEndian.Uint16(p[l.count:]))
	}
	return l.base + int(p[l.count])
}

// RequestLength returns the length in bytes of the request PDU that begins with p
// (function code first), or [More] or [Open]. A loopback (function 8, sub-function 0)
// is taken to carry one word; only what surrounds a longer one can tell its length.
func RequestLength(p []byte) int {
	if len(p) == 0 {
		return More
	}
	f := functions[p[0]]
	switch {
	case f == nil:
		return Open
	case p[0] == EncapsulatedInterface && len(p) < 2:
		return More
	case p[0] == EncapsulatedInterface && p[1] != ReadDeviceIdentification:
		return Open
	}
	return f.request.of(p)
}

// ReplyLength returns the length in bytes of the reply PDU that begins with p and
// answers request, or [More] or [Open]. Standard functions are told by the
// reply's own bytes, so a device may answer with fewer registers than asked.
func ReplyLength(request PDU, p []byte) int {
	if len(p) == 0 {
		return More
	}
	if p[0]&exceptionBit != 0 {
		return 2
	}
	f := functions[p[0]]
	switch {
	case f == nil:
		return Open
	case p[0] == Diagnostics && request.FunctionCode == Diagnostics:
		return 1 + len(request.Data) // every sub-function answers at the request's length [App 6.8]
	case p[0] == EncapsulatedInterface:
		return identificationLength(p)
	}
	return f.reply.of(p)
}

// LongestReply returns the length in bytes of the longest PDU that answers a request
// of a length its function can have ([HasRequestLength]); it is [MaxPDU] where the
// request does not tell.
func LongestReply(request PDU) int {
	n := MaxPDU
	f := functions[request.FunctionCode]
	switch q := request.Data; {
	case f == nil:
	case request.FunctionCode == Diagnostics:
		n = 1 + len(q)
	case f.reply.base > 0 && f.reply.count == 0:
		n = f.reply.base
	case request.FunctionCode == ReadFIFOQueue:
		n = 5 + 2*MaxFIFO
	case request.FunctionCode == ReadWriteRegisters || request.FunctionCode == ReadHoldingRegisters || request.FunctionCode == ReadInputRegisters:
		n = 2 + 2*quantityAt(q, 2)
	case request.FunctionCode == ReadCoils || request.FunctionCode == ReadDiscreteInputs:
		n = 2 + (quantityAt(q, 2)+7)/8
	}
	return min(n, MaxPDU)
}

// identificationLength walks the objects of a reply of function 43/14 [App 6.21]:
// 2B 0E code conformity more next count {id length value}.
func identificationLength(p []byte) int {
	if len(p) < 2 {
		return More
	}
	if p[1] != ReadDeviceIdentification {
		return Open
	}
	if len(p) < 7 {
		return More
	}
	n := 7
	for range p[6] {
		if len(p) < n+2 {
			return More
		}
		n += 2 + int(p[n+1])
	}
	return n
}

// HasRequestLength reports whether a complete request PDU (function code first)
// has a length its function can have. Unknown functions can have any.
func HasRequestLength(p []byte) bool {
	if len(p) == 0 || len(p) > MaxPDU {
		return false
	}
	if p[0] == Diagnostics && len(p) > 5 { // sub-function 0 returns query data of any length [App 6.8.1]
		return len(p)%2 == 1 && p[1] == 0 && p[2] == 0
	}
	n := RequestLength(p)
	return n == Open || n == len(p)
}
