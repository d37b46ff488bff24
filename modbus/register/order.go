package register

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Order is the order in which the bytes of a value lie in its registers. A B C D
// are the value's bytes, A the most significant; a register is sent high byte first.
//
//	            16 bits   32 bits   64 bits
//	Big         A B       A B C D   A B C D E F G H
//	Little      B A       D C B A   H G F E D C B A
//	BigSwap     B A       B A D C   B A D C F E H G   (bytes swapped in each register)
//	LittleSwap  A B       C D A B   G H E F C D A B   (low register first)
type Order uint8

// The orders. Big is the protocol's own and the zero value.
const (
	Big Order = iota
	Little
	BigSwap
	LittleSwap
)

var orderNames = [...]string{Big: "big", Little: "little", BigSwap: "big-swap", LittleSwap: "little-swap"}

func (o Order) String() string {
	if int(o) < len(orderNames) {
		return orderNames[o]
	}
	return fmt.Sprintf("Order(%d)", uint8(o))
}

// OrderNames returns the names of all orders.
func OrderNames() []string { return orderNames[:] }

// OrderByName is the inverse of [Order.String].
func OrderByName(name string) (o Order, ok bool) {
	for o, n := range orderNames {
		if n == name {
			return Order(o), true
		}
	}
	return 0, false
}

// swap puts the bytes of a number of so many bytes (2, 4 or 8) from this order into
// [Big], and back.
func (o Order) swap(raw uint64, size int) uint64 {
	if o == Big {
		return raw
	}
	if o == Little || o == LittleSwap {
		raw = bits.ReverseBytes64(raw) >> (64 - 8*size)
	}
	if o == Little {
		return raw
	}
	const low = 0x00FF00FF00FF00FF
	return raw&low<<8 | raw>>8&low
}

// get reads a number of 2, 4 or 8 bytes.
func (o Order) get(data []byte, size int) uint64 {
	switch size {
	case 2:
		return o.swap(uint64(binary.BigEndian.Uint16(data)), 2)
	case 4:
		return o.swap(uint64(binary.BigEndian.Uint32(data)), 4)
	}
	return o.swap(binary.BigEndian.Uint64(data), 8)
}

// append is the inverse of get.
func (o Order) append(dst []byte, raw uint64, size int) []byte {
	raw = o.swap(raw, size)
	switch size {
	case 2:
		return binary.BigEndian.AppendUint16(dst, uint16(raw))
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(raw))
	}
	return binary.BigEndian.AppendUint64(dst, raw)
}

// appendRegisters appends data register by register, each with its bytes in the
// order of 16 bits; done twice, it is as before.
func (o Order) appendRegisters(dst, data []byte) []byte {
	if o == Big || o == LittleSwap {
		return append(dst, data...)
	}
	for i := 0; i+1 < len(data); i += 2 {
		dst = append(dst, data[i+1], data[i])
	}
	return dst
}
