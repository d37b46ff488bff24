package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"modferry/modbus"
)

const (
	maxID      = 128    // bytes of an id as it is written
	maxTimeout = 60_000 // ms; a longer one would hold the line
	// Before this a number of milliseconds is taken for one of seconds: 1973 in ms, 5138 in s.
	minEpoch = 100_000_000_000
	maxEpoch = 253_402_300_799_999 // the last millisecond of the year 9999
)

// The keys of a JSON request.
const (
	keyID           = "id"
	keyFrame        = "frame"
	keyUnit         = "unit"
	keyFunction     = "function"
	keyAddress      = "address"
	keyQuantity     = "quantity"
	keyValues       = "values"
	keyWriteAddress = "write_address"
	keyTimeout      = "timeout_ms"
	keyExpires      = "expires"
)

var keys = []string{keyID, keyFrame, keyUnit, keyFunction, keyAddress, keyQuantity, keyValues, keyWriteAddress, keyTimeout, keyExpires}

// object takes a JSON request. An error carries the id, whatever else is wrong.
func (o Options) object(text []byte) (*Request, *Error) {
	members, fault := parseObject(text)
	id, badID := members.id()
	if fault == nil && !utf8.Valid(text) {
		fault = badJSON("the JSON is not UTF-8 text")
	}
	if fault == nil {
		fault = badID
	}
	if fault == nil {
		fault = members.checkBuffer()
	}
	if fault == nil {
		fault = members.checkKeys(keys)
	}
	var r *Request
	if fault == nil {
		r, fault = o.fromMembers(members)
	}
	if fault != nil {
		fault.ID = id
		return nil, fault
	}
	r.ID, r.Form = id, JSON
	return r, nil
}

func (o Options) fromMembers(m members) (*Request, *Error) {
	var r *Request
	var fault *Error
	if m.has(keyFrame) {
		r, fault = o.fromFrame(m)
	} else {
		r, fault = fromFields(m)
	}
	if fault != nil {
		return nil, fault
	}
	if r.Timeout, fault = m.timeout(); fault == nil {
		r.Expires, fault = m.expires()
	}
	if fault != nil {
		fault.write = r.IsWrite()
		return nil, fault
	}
	return r, nil
}

// fromFrame takes the frame in "frame"; the fields that it contains cannot be given beside it.
func (o Options) fromFrame(m members) (*Request, *Error) {
	for _, key := range []string{keyUnit, keyFunction, keyAddress, keyQuantity, keyValues, keyWriteAddress} {
		if m.has(key) {
			return nil, badJSON("give either %q or %q, not both", keyFrame, key)
		}
	}
	var text string
	if err := json.Unmarshal(m[keyFrame], &text); err != nil || m[keyFrame][0] != '"' {
		return nil, badJSON(`"frame" must be a text of hex digits, such as "010400010002"`)
	}
	if strings.Trim(text, blank) == "" {
		return nil, badJSON(`"frame" is empty: give the frame as hex digits`)
	}
	r, fault := o.frameText([]byte(text))
	if fault != nil {
		fault.Message = `"frame": ` + fault.Message
	}
	return r, fault
}

// members are the keys and raw values of an object.
type members map[string]json.RawMessage

func (m members) has(key string) bool { return m[key] != nil }

// parseObject reads text as exactly one object without a key twice. With an error
// it returns the members before it.
func parseObject(text []byte) (members, *Error) {
	m := members{}
	if text[0] == '[' {
		return m, badJSON("a request is one JSON object, {...}, not an array")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return m, broken(err)
	}
	for d.More() {
		if fault := m.member(d); fault != nil {
			return m, fault
		}
	}
	if _, err := d.Token(); err != nil {
		return m, broken(err)
	}
	if rest := bytes.Trim(text[d.InputOffset():], blank); len(rest) > 0 {
		return m, badJSON("something follows the JSON object: a payload is one request")
	}
	return m, nil
}

func (m members) member(d *json.Decoder) *Error {
	token, err := d.Token()
	if err != nil {
		return broken(err)
	}
	key, _ := token.(string) // the decoder takes nothing else for a key
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return broken(err)
	}
	if m.has(key) {
		return badJSON("%q is given twice", key)
	}
	m[key] = bytes.Clone(value)
	return nil
}

// findID returns the id of an object that is refused unread, nil if there is none in sight.
func findID(text []byte) json.RawMessage {
	if !isObject(text) {
		return nil
	}
	m, _ := parseObject(bytes.Trim(text, blank))
	id, _ := m.id()
	return id
}

// id returns the id as it was written; null is none.
func (m members) id() (json.RawMessage, *Error) {
	id := m[keyID]
	switch {
	case id == nil || string(id) == "null" || !utf8.Valid(id):
		return nil, nil
	case id[0] == '{' || id[0] == '[':
		return nil, badJSON(`"id" must be a number or a text`)
	case len(id) > maxID:
		return nil, badJSON(`"id" has %d bytes: at most %d are taken`, len(id), maxID)
	}
	return id, nil
}

// checkBuffer refuses what JavaScript makes of a buffer.
func (m members) checkBuffer() *Error {
	if string(m["type"]) == `"Buffer"` || m.has("0") && m.has("1") {
		return badJSON("%s", adviceStringified)
	}
	return nil
}

// checkKeys refuses keys that are not among known.
func (m members) checkKeys(known []string) *Error {
	var unknown []string
	for key := range m {
		if !slices.Contains(known, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	key := slices.Min(unknown)
	if meant := nearest(key, known); meant != "" {
		return badJSON("the key %q is not known: did you mean %q?", key, meant)
	}
	return badJSON("the key %q is not known: the keys are %s", key, strings.Join(known, ", "))
}

// nearest returns the key that differs in letter case or ending only, "" for none.
func nearest(key string, keys []string) string {
	lower := strings.ToLower(key)
	for _, known := range keys {
		if len(lower) > 2 && (strings.HasPrefix(known, lower) || strings.HasPrefix(lower, known)) || lower == known {
			return known
		}
	}
	return ""
}

func (m members) timeout() (time.Duration, *Error) {
	if !m.has(keyTimeout) {
		return 0, nil
	}
	ms, fault := m.whole(keyTimeout)
	if fault == nil && (ms < 1 || ms > maxTimeout) {
		fault = badJSON("%q is %s: it must be 1 to %d", keyTimeout, m[keyTimeout], maxTimeout)
	}
	return time.Duration(ms) * time.Millisecond, fault
}

func (m members) expires() (time.Time, *Error) {
	raw := m[keyExpires]
	switch {
	case raw == nil:
		return time.Time{}, nil
	case raw[0] == '"':
		var text string
		_ = json.Unmarshal(raw, &text) // the decoder has checked it
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return at, badJSON("%q is not a time: write it as 2026-11-23T18:00:00Z or as milliseconds since 1970", keyExpires)
		}
		return at, nil
	}
	ms, fault := m.whole(keyExpires)
	if fault == nil && (ms < minEpoch || ms > maxEpoch) {
		fault = badJSON("%q is %s: it is counted in milliseconds since 1970", keyExpires, raw)
	}
	return time.UnixMilli(ms).UTC(), fault
}

func badJSON(format string, args ...any) *Error {
	return &Error{Code: BadJSON, Message: fmt.Sprintf(format, args...)}
}

// broken is the answer to text that is no JSON.
func broken(err error) *Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badJSON("the JSON ends too early: a bracket or quotation mark is not closed")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badJSON("the JSON is broken at byte %d: %s", syntax.Offset, syntax)
	}
	return badJSON("the JSON is broken: %s", err)
}

// whole returns the whole number of key; numbers too large for it become the largest.
func (m members) whole(key string) (int64, *Error) { return wholeNumber(key, m[key]) }

// standardFields returns the keys that a function takes beside unit and function, those that must be there first.
func standardFields(function byte) (must, may []string) {
	switch function {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
		return []string{keyAddress}, []string{keyQuantity}
	case modbus.WriteSingleCoil, modbus.WriteSingleRegister, modbus.MaskWriteRegister:
		return []string{keyAddress, keyValues}, nil
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		return []string{keyAddress, keyValues}, []string{keyQuantity}
	case modbus.ReadWriteRegisters:
		return []string{keyAddress, keyWriteAddress, keyValues}, []string{keyQuantity}
	case modbus.ReadFIFOQueue:
		return []string{keyAddress}, nil
	}
	return nil, nil
}
