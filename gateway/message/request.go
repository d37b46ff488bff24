package message

import (
	"encoding/json"
	"time"

	"modferry/modbus"
	"modferry/modbus/hextext"
)

// MaxPayload is the greatest payload of a request in bytes.
const MaxPayload = 1024

// Form is how a request is written. The zero value, Auto, is no form of a request:
// it lets a bus take all of them.
type Form uint8

// The forms. ASCII is the text of a Modbus ASCII frame, from ':' on. Line is taken
// only where nothing else is.
const (
	Auto Form = iota
	Hex
	Binary
	JSON
	ASCII
	Line
)

func (f Form) String() string {
	switch f {
	case Auto:
		return "auto"
	case Hex:
		return "hex"
	case Binary:
		return "binary"
	case JSON:
		return "json"
	case ASCII:
		return "ascii"
	case Line:
		return "line"
	}
	return "unknown"
}

// FormByName is the inverse of [Form.String].
func FormByName(name string) (Form, bool) {
	for f := Auto; f <= Line; f++ {
		if f.String() == name {
			return f, true
		}
	}
	return 0, false
}

// Options is what a bus takes. The zero value takes every form and framing, for a line without broadcast.
type Options struct {
	Form       Form           // Auto, or the only form taken
	Framing    modbus.Framing // 0 = any; otherwise the only framing of hex, binary and "frame"
	SerialLine bool           // unit 0 is everybody, 248 to 255 are nobody [Serial 2.2]
	Broadcast  bool           // writes to unit 0 of a serial line are allowed
}

func (o Options) takes(f modbus.Framing) bool { return o.Framing == 0 || o.Framing == f }

// Request is one request and how its app wrote it. It shares no memory with the payload.
type Request struct {
	modbus.ADU
	Form    Form
	Framing modbus.Framing  // of the reply's frame; RTU for JSON without "frame"
	ID      json.RawMessage // the id as it was written; nil = none
	Timeout time.Duration   // for the reply of the device; 0 = the bus's
	Expires time.Time       // not to be sent after; zero = never

	style     hextext.Style
	cookie    string // of a Line
	ending    string // after an ASCII frame: CR LF or nothing
	broadcast bool
	set       bool // it carries out a [Set]
}

// IsBroadcast reports whether the request is for all devices of a serial line, so that none will answer.
func (r *Request) IsBroadcast() bool { return r.broadcast }

// IsWrite reports whether the request may change the device.
func (r *Request) IsWrite() bool { return modbus.IsWrite(r.PDU.FunctionCode) }
