package modbus

import (
	"encoding/binary"
	"fmt"
)

// ReadRequest returns the PDU of functions 1 to 4: quantity coils, inputs or registers from address.
func ReadRequest(function byte, address, quantity uint16) PDU {
	return PDU{FunctionCode: function, Data: words(address, quantity)}
}

// WriteCoilRequest returns the PDU of function 5.
func WriteCoilRequest(address uint16, on bool) PDU {
	var value uint16
	if on {
		value = coilOn
	}
	return PDU{FunctionCode: WriteSingleCoil, Data: words(address, value)}
}

// WriteRegisterRequest returns the PDU of function 6.
func WriteRegisterRequest(address, value uint16) PDU {
	return PDU{FunctionCode: WriteSingleRegister, Data: words(address, value)}
}

// WriteCoilsRequest returns the PDU of function 15; at most [MaxWriteBits] values.
func WriteCoilsRequest(address uint16, values []bool) PDU {
	bits := AppendBits(nil, values)
	data := append(words(address, uint16(len(values))), byte(len(bits)))
	return PDU{FunctionCode: WriteMultipleCoils, Data: append(data, bits...)}
}

// WriteRegistersRequest returns the PDU of function 16; at most [MaxWriteRegisters] values.
func WriteRegistersRequest(address uint16, values []uint16) PDU {
	data := append(words(address, uint16(len(values))), byte(2*len(values)))
	return PDU{FunctionCode: WriteMultipleRegisters, Data: append(data, words(values...)...)}
}

// MaskWriteRequest returns the PDU of function 22: register = register AND and OR (or AND NOT and).
func MaskWriteRequest(address, and, or uint16) PDU {
	return PDU{FunctionCode: MaskWriteRegister, Data: words(address, and, or)}
}

// ReadWriteRequest returns the PDU of function 23: values are written at write, then quantity registers are read at read.
func ReadWriteRequest(read, quantity, write uint16, values []uint16) PDU {
	data := append(words(read, quantity, write, uint16(len(values))), byte(2*len(values)))
	return PDU{FunctionCode: ReadWriteRegisters, Data: append(data, words(values...)...)}
}

// CheckRequest returns nil if the specification allows the request: its length,
// quantity, span and values. Functions that the standard does not define only
// have a greatest length. Errors: [*LengthError] if the PDU has not the length of
// its function, [*RequestError] if a server would answer with an exception.
func CheckRequest(p PDU) error {
	if p.FunctionCode == 0 || p.FunctionCode&exceptionBit != 0 {
		return &RequestError{IllegalFunction, fmt.Sprintf("%d is no function code of a request; those are 1 to 127", p.FunctionCode)}
	}
	if whole := appendPDU(make([]byte, 0, MaxPDU), p); !HasRequestLength(whole) {
		return requestLengthError(whole)
	}
	for _, s := range Spans(p) {
		if err := s.check(p.FunctionCode); err != nil {
			return err
		}
	}
	return checkValues(p)
}

func requestLengthError(whole []byte) error {
	n := RequestLength(whole)
	switch {
	case len(whole) > MaxPDU:
		return &LengthError{Framing: Bare, Got: len(whole) + 1, Min: 2, Max: MaxPDU + 1}
	case n == More:
		n = functions[whole[0]].request.base
	}
	return &LengthError{Framing: Bare, Got: len(whole) + 1, Min: n + 1, Max: n + 1}
}

// checkValues checks what is neither length nor span; the length is known to be right.
func checkValues(p PDU) error {
	d := p.Data
	switch p.FunctionCode {
	case WriteSingleCoil:
		if v := binary.BigEndian.Uint16(d[2:]); v != coilOn && v != 0 {
			return &RequestError{IllegalDataValue, fmt.Sprintf("a coil is written with FF00 (on) or 0000 (off), not %04X", v)} // [App 6.5]
		}
	case WriteMultipleCoils:
		return sameByteCount(int(d[4]), (quantityAt(d, 2)+7)/8)
	case WriteMultipleRegisters:
		return sameByteCount(int(d[4]), 2*quantityAt(d, 2))
	case ReadWriteRegisters:
		return sameByteCount(int(d[8]), 2*quantityAt(d, 6))
	case ReadFileRecord:
		if n := int(d[0]); n < 7 || n > 245 || n%7 != 0 {
			return &RequestError{IllegalDataValue, fmt.Sprintf("a file record request has 7 bytes per sub-request and 7 to 245 in all, not %d", n)} // [App 6.14]
		}
	case WriteFileRecord:
		if n := int(d[0]); n < 9 || n > 251 {
			return &RequestError{IllegalDataValue, fmt.Sprintf("a file record to write has 9 to 251 bytes, not %d", n)} // [App 6.15]
		}
	case EncapsulatedInterface:
		if d[0] == ReadDeviceIdentification && (d[1] < 1 || d[1] > 4) {
			return &RequestError{IllegalDataValue, fmt.Sprintf("a device identification is read with code 1 to 4, not %d", d[1])} // [App 6.21]
		}
	}
	return nil
}

func sameByteCount(got, want int) error {
	if got != want {
		return &RequestError{IllegalDataValue, fmt.Sprintf("the byte count is %d where the quantity needs %d", got, want)}
	}
	return nil
}

// Registers returns the registers in data, high byte first; an odd last byte is left out.
func Registers(data []byte) []uint16 {
	values := make([]uint16, len(data)/2)
	for i := range values {
		values[i] = binary.BigEndian.Uint16(data[2*i:])
	}
	return values
}

// AppendRegisters appends values, high byte first.
func AppendRegisters(dst []byte, values ...uint16) []byte {
	for _, v := range values {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return dst
}

func words(values ...uint16) []byte {
	return AppendRegisters(make([]byte, 0, 2*len(values)+1), values...)
}

// Bits returns the first n bits of data, lowest bit of the first byte first; fewer if data is shorter.
func Bits(data []byte, n int) []bool {
	values := make([]bool, min(n, 8*len(data)))
	for i := range values {
		values[i] = data[i/8]>>(i%8)&1 == 1
	}
	return values
}

// AppendBits appends values packed eight to a byte, the first in the lowest bit.
func AppendBits(dst []byte, values []bool) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, (len(values)+7)/8)...)
	for i, on := range values {
		if on {
			dst[start+i/8] |= 1 << (i % 8)
		}
	}
	return dst
}

func quantityAt(d []byte, at int) int { return int(binary.BigEndian.Uint16(d[at:])) }
