package modbus

import "encoding/binary"

// CRC returns the CRC-16 of an RTU frame's bytes; it is sent low byte first [Serial 6.2.2].
func CRC(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		crc = crc>>8 ^ crcTable[byte(crc)^c]
	}
	return crc
}

var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xA001
			} else {
				crc >>= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// AppendRTU appends the RTU frame of a to dst.
func AppendRTU(dst []byte, a ADU) []byte {
	start := len(dst)
	dst = AppendBare(dst, a)
	return binary.LittleEndian.AppendUint16(dst, CRC(dst[start:]))
}

// ParseRTU takes an RTU frame apart. The PDU's data aliases b.
// Errors: [*LengthError] below 4 or above 256 bytes, [*CheckError] for a wrong CRC.
func ParseRTU(b []byte) (ADU, error) {
	if len(b) < 4 || len(b) > MaxRTU {
		return ADU{}, &LengthError{Framing: RTU, Got: len(b), Min: 4, Max: MaxRTU}
	}
	n := len(b) - 2
	got, want := binary.LittleEndian.Uint16(b[n:]), CRC(b[:n])
	if got != want {
		return ADU{}, &CheckError{Framing: RTU, Got: got, Want: want}
	}
	return ParseBare(b[:n])
}

// AppendBare appends unit and PDU, without any check code.
func AppendBare(dst []byte, a ADU) []byte {
	return appendPDU(append(dst, a.Unit), a.PDU)
}

func appendPDU(dst []byte, p PDU) []byte { return append(append(dst, p.FunctionCode), p.Data...) }

// ParseBare takes unit and PDU apart. The PDU's data aliases b. Error: [*LengthError].
func ParseBare(b []byte) (ADU, error) {
	if len(b) < 2 || len(b) > MaxPDU+1 {
		return ADU{}, &LengthError{Framing: Bare, Got: len(b), Min: 2, Max: MaxPDU + 1}
	}
	return ADU{Unit: b[0], PDU: PDU{FunctionCode: b[1], Data: b[2:]}}, nil
}
