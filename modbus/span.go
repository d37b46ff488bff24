package modbus

import (
	"encoding/binary"
	"fmt"
)

// Table is one of a device's four tables [App 4.3].
type Table uint8

// The tables.
const (
	Coils Table = iota + 1
	DiscreteInputs
	HoldingRegisters
	InputRegisters
)

func (t Table) String() string {
	switch t {
	case Coils:
		return "coils"
	case DiscreteInputs:
		return "discrete inputs"
	case HoldingRegisters:
		return "holding registers"
	case InputRegisters:
		return "input registers"
	}
	return "no table"
}

// IsBits reports whether the table holds bits; the others hold registers.
func (t Table) IsBits() bool { return t == Coils || t == DiscreteInputs }

// IsInput reports whether no client can write to the table.
func (t Table) IsInput() bool { return t == DiscreteInputs || t == InputRegisters }

// ReadFunction returns the code of the function that reads the table, 0 for no table.
func (t Table) ReadFunction() byte {
	switch t {
	case Coils:
		return ReadCoils
	case DiscreteInputs:
		return ReadDiscreteInputs
	case HoldingRegisters:
		return ReadHoldingRegisters
	case InputRegisters:
		return ReadInputRegisters
	}
	return 0
}

// Span is what one part of a request touches: Quantity items of a table from Address.
type Span struct {
	Table    Table
	Address  uint16
	Quantity int
	Write    bool
}

// End returns the address after the last one, up to 65536 and beyond if the span is not valid.
func (s Span) End() int { return int(s.Address) + s.Quantity }

// Spans returns what a request touches, at most one span read and one written
// (the read one first), none for functions without addresses. The PDU must have
// the length of its function ([HasRequestLength]).
func Spans(p PDU) []Span {
	d := p.Data
	span := func(t Table, at, quantity int, write bool) Span {
		return Span{t, binary.BigEndian.Uint16(d[at:]), quantity, write}
	}
	switch p.FunctionCode {
	case ReadCoils:
		return []Span{span(Coils, 0, quantityAt(d, 2), false)}
	case ReadDiscreteInputs:
		return []Span{span(DiscreteInputs, 0, quantityAt(d, 2), false)}
	case ReadHoldingRegisters:
		return []Span{span(HoldingRegisters, 0, quantityAt(d, 2), false)}
	case ReadInputRegisters:
		return []Span{span(InputRegisters, 0, quantityAt(d, 2), false)}
	case ReadFIFOQueue:
		return []Span{span(HoldingRegisters, 0, 1, false)}
	case WriteSingleCoil:
		return []Span{span(Coils, 0, 1, true)}
	case WriteSingleRegister:
		return []Span{span(HoldingRegisters, 0, 1, true)}
	case WriteMultipleCoils:
		return []Span{span(Coils, 0, quantityAt(d, 2), true)}
	case WriteMultipleRegisters:
		return []Span{span(HoldingRegisters, 0, quantityAt(d, 2), true)}
	case MaskWriteRegister:
		return []Span{span(HoldingRegisters, 0, 1, false), span(HoldingRegisters, 0, 1, true)}
	case ReadWriteRegisters:
		return []Span{span(HoldingRegisters, 0, quantityAt(d, 2), false), span(HoldingRegisters, 4, quantityAt(d, 6), true)}
	}
	return nil
}

// Written returns the values that a request writes, one per address of its written
// span: coils as 0 or 1. known is false where the request alone does not tell
// (a mask write that keeps bits of the register). Nil for a request that writes no span.
func Written(p PDU) (values []uint16, known bool) {
	d := p.Data
	switch p.FunctionCode {
	case WriteSingleCoil:
		return []uint16{min(1, binary.BigEndian.Uint16(d[2:]))}, true
	case WriteSingleRegister:
		return Registers(d[2:4]), true
	case WriteMultipleCoils:
		for _, on := range Bits(d[5:], quantityAt(d, 2)) {
			v := uint16(0)
			if on {
				v = 1
			}
			values = append(values, v)
		}
		return values, true
	case WriteMultipleRegisters:
		return Registers(d[5:]), true
	case ReadWriteRegisters:
		return Registers(d[9:]), true
	case MaskWriteRegister:
		and, or := binary.BigEndian.Uint16(d[2:]), binary.BigEndian.Uint16(d[4:])
		return []uint16{or &^ and}, and == 0 // result = old AND and OR (or AND NOT and) [App 6.16]
	}
	return nil, true
}

// limit returns the greatest quantity of a span in a request of function.
func (s Span) limit(function byte) int {
	switch function {
	case ReadCoils, ReadDiscreteInputs:
		return MaxReadBits
	case ReadHoldingRegisters, ReadInputRegisters:
		return MaxReadRegisters
	case WriteMultipleCoils:
		return MaxWriteBits
	case WriteMultipleRegisters:
		return MaxWriteRegisters
	case ReadWriteRegisters:
		if s.Write {
			return MaxReadWriteWrite
		}
		return MaxReadWriteRead
	}
	return 1
}

func (s Span) check(function byte) error {
	verb := "read"
	if s.Write {
		verb = "written"
	}
	if most := s.limit(function); s.Quantity < 1 || s.Quantity > most {
		return &RequestError{IllegalDataValue, fmt.Sprintf("quantity %d: 1 to %d %s can be %s in one request", s.Quantity, most, s.Table, verb)}
	}
	if s.End() > AddressSpace {
		return &RequestError{IllegalDataAddress, fmt.Sprintf("address %d + quantity %d is beyond 65536", s.Address, s.Quantity)}
	}
	return nil
}
