package message

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"modferry/modbus"
	"modferry/modbus/hextext"
)

const (
	blank = " \t\r\n"
	bom   = "\uFEFF"
)

// Decode returns the request in a payload. It keeps no reference to the payload.
// The request is well formed and has the length of its function; its quantity,
// span and values are left to [modbus.CheckRequest]. Error: always an [*Error].
func Decode(payload []byte, o Options) (*Request, error) {
	r, err := o.decode(payload)
	if err == nil {
		err = o.checkUnit(r)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (o Options) decode(payload []byte) (*Request, *Error) {
	switch {
	case len(payload) > MaxPayload:
		return nil, &Error{Code: TooLarge, ID: findID(payload[:MaxPayload]), Message: fmt.Sprintf("the payload has %d bytes: a request has at most %d", len(payload), MaxPayload)}
	case len(bytes.Trim(payload, blank)) == 0 && o.Form == Line:
		return nil, &Error{Code: Empty, Message: "the payload is empty: publish a line such as " + lineExample}
	case len(bytes.Trim(payload, blank)) == 0:
		return nil, &Error{Code: Empty, Message: "the payload is empty: publish a frame as hex digits (010400010002200B), bytes or JSON"}
	}
	if o.Form == Line {
		return line(payload)
	}
	if o.Form == Auto || o.Form == Binary {
		if r := o.binary(payload); r != nil {
			return r, nil
		}
		if o.Form == Binary || !isText(payload) && !isObject(payload) {
			return nil, o.whyNot(payload, Binary)
		}
	}
	return o.text(payload)
}

// binary takes a payload that is the frame itself, nil if it is not.
func (o Options) binary(payload []byte) *Request {
	a, framing, ok := o.certain(payload)
	if !ok && (o.Form == Binary || !isText(payload)) {
		a, framing, ok = o.vendor(payload)
	}
	if !ok && (o.Form == Binary || o.Framing == modbus.Bare || !isText(payload) && !isObject(payload)) {
		a, framing, ok = o.bare(payload) // last, when it can be nothing else
	}
	if !ok {
		return nil
	}
	a.PDU.Data = slices.Clone(a.PDU.Data)
	return &Request{ADU: a, Form: Binary, Framing: framing}
}

// text takes JSON, ASCII frames and hex digits.
func (o Options) text(payload []byte) (*Request, *Error) {
	text := bytes.Trim(bytes.TrimPrefix(payload, []byte(bom)), blank)
	isJSON := len(text) > 0 && (text[0] == '{' || text[0] == '[')
	switch {
	case stringified(text):
		return nil, &Error{Code: NotAFrame, Message: adviceStringified}
	case o.Form == JSON && !isJSON:
		return nil, &Error{Code: BadJSON, Message: `this bus takes JSON only, such as {"id":1,"frame":"010400010002"}`}
	case isJSON && o.Form != JSON && o.Form != Auto:
		return nil, &Error{Code: NotAFrame, ID: findID(text), Message: fmt.Sprintf("this bus takes %s only, and this is JSON", o.Form)}
	case isJSON:
		return o.object(text)
	case o.Form == ASCII && !isASCII(text):
		return nil, &Error{Code: NotAFrame, Message: "this bus takes ASCII frames only, which begin with ':'"}
	case o.Form == Hex && isASCII(text):
		return nil, &Error{Code: NotAFrame, Message: "this bus takes hex digits only, and this is an ASCII frame: leave out the ':'"}
	}
	return o.frameText(bytes.TrimPrefix(payload, []byte(bom)))
}

// frameText takes a frame written as hex digits or as an ASCII frame.
func (o Options) frameText(text []byte) (*Request, *Error) {
	trimmed := bytes.Trim(text, blank)
	if isASCII(trimmed) {
		return o.ascii(bytes.TrimLeft(text, blank))
	}
	raw, style, err := hextext.Parse(trimmed)
	if err != nil {
		return nil, &Error{Code: NotAFrame, Message: notHex(trimmed, err)}
	}
	a, framing, ok := o.certain(raw)
	if !ok {
		a, framing, ok = o.checked(raw)
	}
	if !ok {
		a, framing, ok = o.bare(raw)
	}
	if !ok {
		return nil, o.whyNot(raw, Hex)
	}
	return &Request{ADU: a, Form: Hex, Framing: framing, style: style}, nil
}

// isASCII tells the ':' of an ASCII frame from one between bytes.
func isASCII(text []byte) bool {
	return len(text) > 0 && text[0] == ':' && !bytes.ContainsRune(text[1:], ':')
}

// isObject tells a JSON object from bytes even where it is no good text: unit 123
// is '{' too, but no function that could follow is a quotation mark or a brace.
func isObject(b []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.Trim(b, blank), []byte("{"))
	rest = bytes.TrimLeft(rest, blank)
	return ok && len(rest) > 0 && (rest[0] == '"' || rest[0] == '}')
}

// isText reports whether b is printable text; the byte order mark is taken for text too.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return !bytes.ContainsFunc(bytes.TrimPrefix(b, []byte(bom)), func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\t' && r != '\r' && r != '\n'
	})
}

// checkUnit refuses what cannot be addressed on a serial line.
func (o Options) checkUnit(r *Request) *Error {
	fault := Error{ID: r.ID, write: r.IsWrite()}
	switch {
	case !o.SerialLine:
		return nil
	case r.Unit > modbus.MaxUnit: // [Serial 2.2]
		fault.Code, fault.Message = BadUnit, fmt.Sprintf("unit %d: the devices of a serial line are 1 to %d", r.Unit, modbus.MaxUnit)
		return &fault
	case r.Unit != modbus.Broadcast:
		return nil
	case !canBroadcast(r.PDU.FunctionCode):
		fault.Code, fault.Message = Broadcast, "unit 0 is all devices, and none of them answers: read from one unit, 1 to 247"
		return &fault
	case !o.Broadcast:
		fault.Code, fault.Message = Broadcast, "unit 0 is all devices: this bus does not allow it; allow broadcast in its configuration, or write to one unit"
		return &fault
	}
	r.broadcast = true
	return nil
}

// canBroadcast: broadcasts are writes [Serial 2.1]; functions 23 and 43 count as writes but are there to be answered.
func canBroadcast(function byte) bool {
	return modbus.IsWrite(function) && function != modbus.ReadWriteRegisters && function != modbus.EncapsulatedInterface
}
