package modbus

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the size of an MBAP header: transaction id, protocol id, length, unit id [TCP 3.1.3].
const HeaderSize = 7

// AppendTCP appends the MBAP header and PDU of a to dst.
func AppendTCP(dst []byte, a ADU) []byte {
	dst = binary.BigEndian.AppendUint16(dst, a.Transaction)
	dst = append(dst, 0, 0) // protocol id
	dst = binary.BigEndian.AppendUint16(dst, uint16(2+len(a.PDU.Data)))
	return AppendBare(dst, a)
}

// TCPLength returns the length in bytes of the TCP frame that begins with p, or [More].
// Error: [*SyntaxError] if no Modbus TCP frame can begin so; nothing after it can be trusted.
func TCPLength(p []byte) (int, error) {
	if len(p) < HeaderSize-1 {
		return More, nil
	}
	if id := binary.BigEndian.Uint16(p[2:]); id != 0 {
		return 0, &SyntaxError{Framing: TCP, Reason: fmt.Sprintf("its protocol id is %d, not 0", id)}
	}
	n := int(binary.BigEndian.Uint16(p[4:]))
	if n < 2 || n > MaxPDU+1 {
		return 0, &SyntaxError{Framing: TCP, Reason: fmt.Sprintf("its header says %d bytes follow, outside 2 to %d", n, MaxPDU+1)}
	}
	return HeaderSize - 1 + n, nil
}

// ParseTCP takes one whole TCP frame apart. The PDU's data aliases b.
// Errors: [*SyntaxError] for a header that is not Modbus', [*LengthError] when the
// length field and the number of bytes differ.
func ParseTCP(b []byte) (ADU, error) {
	n, err := TCPLength(b)
	if err != nil {
		return ADU{}, err
	}
	if n != len(b) || n == More {
		return ADU{}, &LengthError{Framing: TCP, Got: len(b), Min: max(n, HeaderSize+1), Max: max(n, HeaderSize+1)}
	}
	a, err := ParseBare(b[HeaderSize-1:])
	a.Transaction = binary.BigEndian.Uint16(b)
	return a, err
}
