package modbus

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// LRC returns the check byte of an ASCII frame: the two's complement of the sum of
// its bytes, without ':' and CR LF [Serial 6.2.1].
func LRC(b []byte) byte {
	var sum byte
	for _, c := range b {
		sum += c
	}
	return -sum
}

const (
	upperHex  = "0123456789ABCDEF"
	hexDigits = upperHex + "abcdef"
)

// AppendASCII appends the ASCII frame of a, from ':' to CR LF, in upper case.
func AppendASCII(dst []byte, a ADU) []byte {
	dst = append(dst, ':')
	lrc := a.Unit + a.PDU.FunctionCode
	dst = appendHex(appendHex(dst, a.Unit), a.PDU.FunctionCode)
	for _, c := range a.PDU.Data {
		lrc += c
		dst = appendHex(dst, c)
	}
	return append(appendHex(dst, -lrc), '\r', '\n')
}

func appendHex(dst []byte, c byte) []byte { return append(dst, upperHex[c>>4], upperHex[c&15]) }

// ParseASCII takes an ASCII frame apart, with or without its CR LF, in either letter case.
// Errors: [*SyntaxError], [*LengthError], [*CheckError] for a wrong LRC.
func ParseASCII(b []byte) (ADU, error) {
	if len(b) == 0 || b[0] != ':' {
		return ADU{}, &SyntaxError{Framing: ASCII, Reason: "it does not begin with ':'"}
	}
	digits := bytes.TrimRight(b[1:], "\r\n")
	if len(digits) < 6 || len(digits) > MaxASCII-3 {
		return ADU{}, &LengthError{Framing: ASCII, Got: len(digits) + 1, Min: 7, Max: MaxASCII - 2}
	}
	if len(digits)%2 != 0 {
		return ADU{}, &SyntaxError{Framing: ASCII, Reason: fmt.Sprintf("it has %d hex digits, which is not a whole number of bytes", len(digits))}
	}
	raw := make([]byte, len(digits)/2)
	if n, err := hex.Decode(raw, digits); err != nil {
		at := 2 * n // of the pair with a character that is none
		if bytes.IndexByte([]byte(hexDigits), digits[at]) >= 0 {
			at++
		}
		return ADU{}, &SyntaxError{Framing: ASCII, Reason: fmt.Sprintf("%q at position %d is not a hex digit", digits[at], at+2)}
	}
	n := len(raw) - 1
	if want := LRC(raw[:n]); raw[n] != want {
		return ADU{}, &CheckError{Framing: ASCII, Got: uint16(raw[n]), Want: uint16(want)}
	}
	return ParseBare(raw[:n])
}
