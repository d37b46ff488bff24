package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"modferry/modbus"
	"modferry/modbus/register"
)

const keyValue = "value"

var setKeys = []string{keyID, keyValue, keyTimeout, keyExpires}

// Set is a value for a reading, as its app wrote it. What kinds of values there are is
// the reading's. It shares no memory with the payload.
type Set struct {
	ID      json.RawMessage // as it was written; nil = none
	Timeout time.Duration   // for the reply of the device; 0 = the bus's
	Expires time.Time       // not to be sent after; zero = never

	Plain string          // the payload is the value itself: 21.5, on, heat
	JSON  json.RawMessage // "value" of the object that the payload is; nil = it is plain
}

// DecodeSet returns the value in a payload: an object with the key "value", or else
// the text itself. Error: always an [*Error].
func DecodeSet(payload []byte) (*Set, error) {
	s, fault := decodeSet(payload)
	if fault != nil {
		fault.write = true
		return nil, fault
	}
	return s, nil
}

func decodeSet(payload []byte) (*Set, *Error) {
	text := bytes.Trim(bytes.TrimPrefix(payload, []byte(bom)), blank)
	switch {
	case len(payload) > MaxPayload:
		return nil, &Error{Code: TooLarge, ID: findID(payload[:MaxPayload]), Message: fmt.Sprintf("the payload has %d bytes: a value has at most %d", len(payload), MaxPayload)}
	case len(text) == 0:
		return nil, &Error{Code: Empty, Message: `the payload is empty: publish a value, such as 21.5, or JSON, such as {"id":1,"value":21.5}`}
	case text[0] == '{':
		return decodeSetObject(text)
	case !isText(text) || mangled(text):
		return nil, &Error{Code: Invalid, Message: `the payload is no text: publish a value, such as 21.5, or JSON, such as {"id":1,"value":21.5}`}
	}
	return &Set{Plain: string(text)}, nil
}

// decodeSetObject takes JSON. An error carries the id, whatever else is wrong.
func decodeSetObject(text []byte) (*Set, *Error) {
	m, fault := parseObject(text)
	id, badID := m.id()
	s := &Set{ID: id, JSON: m[keyValue]}
	switch {
	case fault != nil:
	case !utf8.Valid(text):
		fault = badJSON("the JSON is not UTF-8 text")
	case badID != nil:
		fault = badID
	default:
		if fault = m.checkSetKeys(); fault == nil {
			s.Timeout, fault = m.timeout()
		}
		if fault == nil {
			s.Expires, fault = m.expires()
		}
	}
	if fault != nil {
		fault.ID = id
		return nil, fault
	}
	return s, nil
}

func (m members) checkSetKeys() *Error {
	if fault := m.checkKeys(setKeys); fault != nil {
		return fault
	}
	if !m.has(keyValue) {
		return badJSON(`%q is missing: give what is to be written, such as {"id":1,"value":21.5}`, keyValue)
	}
	return nil
}

// Canonical returns what a set asks for, in the same bytes however it is written, so
// that two can be told to be the same. Plain values are their own text.
func (s *Set) Canonical() []byte {
	if s.JSON == nil {
		return []byte(s.Plain)
	}
	if v, err := register.Parse(s.JSON); err == nil {
		return v.AppendJSON(nil)
	}
	var b bytes.Buffer
	if json.Compact(&b, s.JSON) != nil { // cannot be: the decoder has checked it
		return s.JSON
	}
	return b.Bytes()
}

// Request returns the request that carries the value out. Its reply is the result of the set.
func (s *Set) Request(a modbus.ADU) *Request {
	return &Request{ADU: a, Form: JSON, Framing: modbus.RTU, ID: s.ID, Timeout: s.Timeout, Expires: s.Expires, set: true}
}

// Refused returns the error that answers a set which is not carried out.
func (s *Set) Refused(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), ID: s.ID, write: true}
}

// RetainedSet returns the error that answers a retained message on a set topic.
func RetainedSet(payload []byte) *Error {
	return &Error{
		Code: Retained, ID: findID(payload[:min(len(payload), MaxPayload)]), write: true,
		Message: "a retained message is refused: publish the value without retain, and clear the topic with an empty retained message",
	}
}

// setResult is what became of a set; the keys are in the order of the documentation.
type setResult struct {
	ID      json.RawMessage `json:"id,omitempty"`
	OK      bool            `json:"ok"`
	Value   *register.Value `json:"value,omitempty"`
	Error   *replyError     `json:"error,omitempty"`
	Outcome Outcome         `json:"outcome"`
}

// setResult returns the payload that tells what became of a set.
func (r *Request) setResult(res Result) []byte {
	out := setResult{ID: r.ID, OK: res.Code == "", Value: res.Value, Outcome: r.Outcome(res)}
	if !out.OK {
		out.Error = describe(res, r.answer(res))
		if res.Code != Exception { // the others are the gateway's own
			out.Error.Exception = 0
		}
	}
	return Encode(out)
}

// SetResult returns the payload that tells of a set which was refused.
func (e *Error) SetResult() []byte {
	return Encode(setResult{ID: e.ID, Error: &replyError{Code: e.Code, Message: e.text()}, Outcome: Refused})
}
