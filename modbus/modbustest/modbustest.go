// Package modbustest is one table of Modbus frames as they are on the wire, whole
// and broken, shared by the tests of every package that reads or writes frames. It
// is test data: nothing but tests imports it.
//
// Whole cases carry what the frame says beside its bytes, so that a codec is held
// against the table and not against itself. Check codes are literal.
package modbustest

import (
	"encoding/hex"
	"fmt"

	"modferry/modbus"
)

// Fault is what is wrong with a broken frame.
type Fault string

// The faults. Where a frame is broken but could be read another way, the case's Framing says which way is meant.
const (
	WrongCheck   Fault = "wrong check code" // CRC or LRC
	WrongLength  Fault = "wrong length"     // for any frame of the framing, or for the MBAP header
	WrongSyntax  Fault = "wrong syntax"     // no frame of the framing begins or continues so
	WrongRequest Fault = "wrong request"    // a whole frame whose PDU has not the length of its function
	NotAllowed   Fault = "not allowed"      // a whole request that a server answers with Exception
)

// Case is one frame. ADU is set for whole frames and for [WrongRequest] and [NotAllowed].
type Case struct {
	Name      string
	Framing   modbus.Framing
	Text      string // hex digits; the line without CR LF for ASCII
	ADU       modbus.ADU
	Reply     string // of a request: the name of its reply, "" = none in the table
	Fault     Fault  // "" = whole and allowed
	Exception byte   // of NotAllowed

	isReply bool
}

// IsReply reports whether the frame is a server's.
func (c Case) IsReply() bool { return c.isReply }

// Bytes returns the frame as it is on the wire, in memory of its own.
func (c Case) Bytes() []byte {
	if c.Framing == modbus.ASCII {
		return []byte(c.Text + "\r\n")
	}
	return fromHex(c.Text)
}

// Cases returns the whole table.
func Cases() []Case {
	cases := whole()
	cases = append(cases, notAllowed()...)
	return append(cases, broken()...)
}

// Requests returns the whole requests of a framing.
func Requests(f modbus.Framing) []Case {
	return filter(func(c Case) bool { return c.Framing == f && c.Fault == "" && !c.isReply })
}

// Replies returns the whole replies of a framing.
func Replies(f modbus.Framing) []Case {
	return filter(func(c Case) bool { return c.Framing == f && c.Fault == "" && c.isReply })
}

// Broken returns the cases with a fault.
func Broken(fault Fault) []Case {
	return filter(func(c Case) bool { return c.Fault == fault })
}

// Named returns the case of a name; it panics if there is none.
func Named(name string) Case {
	for _, c := range Cases() {
		if c.Name == name {
			return c
		}
	}
	panic(fmt.Sprintf("modbustest: no case %q", name))
}

func filter(keep func(Case) bool) []Case {
	var kept []Case
	for _, c := range Cases() {
		if keep(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

func adu(transaction uint16, unit byte, pdu string) modbus.ADU {
	b := fromHex(pdu)
	return modbus.ADU{Transaction: transaction, Unit: unit, PDU: modbus.PDU{FunctionCode: b[0], Data: b[1:]}}
}

func fromHex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(fmt.Sprintf("modbustest: %q: %v", digits, err))
	}
	return b
}

func request(name string, f modbus.Framing, text string, a modbus.ADU, reply string) Case {
	return Case{Name: name, Framing: f, Text: text, ADU: a, Reply: reply}
}

func reply(name string, f modbus.Framing, text string, a modbus.ADU) Case {
	return Case{Name: name, Framing: f, Text: text, ADU: a, isReply: true}
}
