package register

import (
	"modferry/modbus"
)

// Type is how a value is written in registers or bits.
type Type uint8

// The types. Bool is a coil, a discrete input, or one bit of a register.
const (
	Bool Type = iota + 1
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float32
	Float64
)

// Order is the order in which the bytes of a value lie in its registers. A B C D
// are the value's bytes, A the most significant; a register is sent high byte first.
//
//	            16 bits   32 bits       64 bits
//	Big         A B       A B C D       A B C D E F G H
//	Little      B A       D C B A       H G F E D C B A
//	BigSwap     B A       B A D C       B A D C F E H G   (bytes swapped in each register)
//	LittleSwap  A B       C D A B       G H E F C D A B   (low register first)
type Order uint8

// The orders. Big is the protocol's own and the zero value.
const (
	Big Order = iota
	Little
	BigSwap
	LittleSwap
)

// Auto as [Field.Decimals] keeps as many decimals as scale and offset have.
const Auto = -1

// Field is where a value lies and how it is written there.
type Field struct {
	Table   modbus.Table
	Address uint16
	Type    Type
	Bit     int   // for Bool in a register: its bit, 0 (lowest) to 15; otherwise without meaning, -1 by custom
	Count   int   // 0 or 1: one value; more: a block of that many values, one after the other
	Order   Order // for registers

	Scale  float64 // value = raw x Scale + Offset; 0 means 1
	Offset float64

	// Decimals rounds the value, half away from zero. [Auto] keeps what scale and
	// offset need and prints no zeros at the end; 0 to 15 prints exactly that many.
	Decimals int

	// NoData are the raw contents, as unsigned numbers of the type's width, that
	// mean "no value": 0x8000 for many int16 sensors.
	NoData []uint64
}
