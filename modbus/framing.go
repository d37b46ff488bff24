package modbus

import (
	"bytes"
	"errors"
	"fmt"
)

// Framing is how a PDU is wrapped for a line.
type Framing uint8

// The framings. Bare is unit and PDU alone: what remains when the line's own check is taken away.
const (
	RTU Framing = iota + 1
	ASCII
	TCP
	Bare
)

func (f Framing) String() string {
	switch f {
	case RTU:
		return "RTU"
	case ASCII:
		return "ASCII"
	case TCP:
		return "TCP"
	case Bare:
		return "bare"
	}
	return fmt.Sprintf("Framing(%d)", uint8(f))
}

// Append appends the frame of a to dst.
func (f Framing) Append(dst []byte, a ADU) []byte {
	switch f {
	case RTU:
		return AppendRTU(dst, a)
	case ASCII:
		return AppendASCII(dst, a)
	case TCP:
		return AppendTCP(dst, a)
	}
	return AppendBare(dst, a)
}

// Size returns the length in bytes of the frame of a PDU of so many bytes.
func (f Framing) Size(pdu int) int {
	switch f {
	case RTU:
		return 1 + pdu + 2
	case ASCII: // two characters a byte, ':', LRC and CR LF [Serial 2.5.2]
		return 1 + 2*(1+pdu+1) + 2
	case TCP:
		return HeaderSize + pdu
	}
	return 1 + pdu
}

// Parse takes one whole frame apart; the PDU's data may alias b.
// Errors: [*LengthError], [*CheckError], [*SyntaxError].
func (f Framing) Parse(b []byte) (ADU, error) {
	switch f {
	case RTU:
		return ParseRTU(b)
	case ASCII:
		return ParseASCII(b)
	case TCP:
		return ParseTCP(b)
	}
	return ParseBare(b)
}

// Packager returns the packager of one request to one unit. Make one per request:
// it carries the unit id and, for TCP, the transaction id, which the transport may replace.
func (f Framing) Packager(unit byte) Packager { return packager{framing: f, unit: unit} }

type packager struct {
	framing Framing
	unit    byte
}

func (p packager) Encode(pdu *PDU) ([]byte, error) {
	if n := 1 + len(pdu.Data); n > MaxPDU {
		return nil, &LengthError{Framing: p.framing, Got: n, Min: 1, Max: MaxPDU}
	}
	return p.framing.Append(make([]byte, 0, HeaderSize+3+len(pdu.Data)), ADU{Unit: p.unit, PDU: *pdu}), nil
}

func (p packager) Decode(adu []byte) (*PDU, error) {
	a, err := p.framing.Parse(adu)
	return &a.PDU, err
}

// Verify reports whether the reply answers the request: same transaction and unit,
// same function, and the shape of a reply to it.
func (p packager) Verify(request, reply []byte) error {
	q, err := p.framing.Parse(request)
	if err != nil {
		return err
	}
	r, err := p.framing.Parse(reply)
	if err != nil {
		return err
	}
	return Answers(q, r)
}

// Answers returns nil if r is a reply to q: same transaction and unit, and see [CheckReply].
func Answers(q, r ADU) error {
	switch {
	case q.Transaction != r.Transaction:
		return fmt.Errorf("the reply has transaction id %d, the request %d", r.Transaction, q.Transaction)
	case q.Unit != r.Unit:
		return fmt.Errorf("the reply is from unit %d, the request was to unit %d", r.Unit, q.Unit)
	}
	return CheckReply(q.PDU, r.PDU)
}

// CheckReply returns nil if reply has the function, length and echoed fields of an
// answer to request, or is an exception to it. A read must return exactly what was
// asked; nothing answers a request that has not the length of its function.
func CheckReply(request, reply PDU) error {
	if reply.FunctionCode&^exceptionBit != request.FunctionCode {
		return fmt.Errorf("the reply has function %d, the request %d", reply.FunctionCode, request.FunctionCode)
	}
	if whole := appendPDU(make([]byte, 0, MaxPDU), request); !HasRequestLength(whole) {
		return requestLengthError(whole)
	}
	whole := appendPDU(make([]byte, 0, MaxPDU), reply)
	if n := ReplyLength(request, whole); n == More || len(whole) > MaxPDU {
		return fmt.Errorf("the reply's PDU has %d bytes, which no reply of its function has", len(whole))
	} else if n != Open && n != len(whole) {
		return fmt.Errorf("the reply's PDU has %d bytes where its function needs %d", len(whole), n)
	}
	if reply.FunctionCode&exceptionBit != 0 {
		return nil
	}
	return checkContent(request, reply)
}

func checkContent(request, reply PDU) error {
	switch q, r := request.Data, reply.Data; request.FunctionCode {
	case ReadCoils, ReadDiscreteInputs:
		return sameCount(int(r[0]), (quantityAt(q, 2)+7)/8)
	case ReadHoldingRegisters, ReadInputRegisters, ReadWriteRegisters:
		return sameCount(int(r[0]), 2*quantityAt(q, 2))
	case WriteSingleCoil, WriteSingleRegister, MaskWriteRegister, WriteFileRecord:
		if !bytes.Equal(q, r) {
			return fmt.Errorf("the reply % X does not repeat the request % X", r, q)
		}
	case WriteMultipleCoils, WriteMultipleRegisters:
		if !bytes.Equal(q[:4], r) {
			return fmt.Errorf("the reply's address and quantity % X are not the request's", r)
		}
	case Diagnostics:
		if !bytes.Equal(q[:2], r[:2]) {
			return fmt.Errorf("the reply's sub-function % X is not the request's", r[:2])
		}
	case ReadFIFOQueue:
		return checkFIFO(r)
	}
	return nil
}

// checkFIFO: the byte count includes the FIFO count, which has two bytes itself [App 6.18].
func checkFIFO(r []byte) error {
	if len(r) < 4 {
		return errors.New("the reply has no FIFO count")
	}
	if n := quantityAt(r, 2); n > MaxFIFO || quantityAt(r, 0) != 2+2*n {
		return fmt.Errorf("the reply counts %d bytes and %d registers, of at most %d", quantityAt(r, 0), n, MaxFIFO)
	}
	return nil
}

func sameCount(got, want int) error {
	if got != want {
		return fmt.Errorf("the reply carries %d data bytes, the request asked for %d", got, want)
	}
	return nil
}
