package modbus

import "fmt"

// LengthError: a frame or PDU has a length that nothing can have there. Lengths in bytes.
type LengthError struct {
	Framing  Framing
	Got      int
	Min, Max int
}

func (e *LengthError) Error() string {
	if e.Min == e.Max {
		return fmt.Sprintf("%s frame of %d bytes: it must have %d", e.Framing, e.Got, e.Min)
	}
	return fmt.Sprintf("%s frame of %d bytes: it must have %d to %d", e.Framing, e.Got, e.Min, e.Max)
}

// CheckError: the check code of a frame is not that of its bytes. For RTU, Got and
// Want are the CRC as a number; on the wire its low byte comes first.
type CheckError struct {
	Framing   Framing
	Got, Want uint16
}

func (e *CheckError) Error() string {
	if e.Framing == ASCII {
		return fmt.Sprintf("wrong LRC: the frame ends with %02X, its bytes give %02X", e.Got, e.Want)
	}
	return fmt.Sprintf("wrong CRC: the frame ends with %02X %02X, its bytes give %02X %02X",
		byte(e.Got), byte(e.Got>>8), byte(e.Want), byte(e.Want>>8))
}

// SyntaxError: the bytes cannot be a frame of this framing.
type SyntaxError struct {
	Framing Framing
	Reason  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not a Modbus %s frame: %s", e.Framing, e.Reason)
}

// RequestError: a well-formed request asks for something the specification does
// not allow; a server answers it with Exception.
type RequestError struct {
	Exception byte // IllegalFunction, IllegalDataAddress or IllegalDataValue
	Reason    string
}

func (e *RequestError) Error() string { return e.Reason }
