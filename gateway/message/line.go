package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"modferry/modbus"
)

// Line is the form of the Modbus gateways in some cellular routers: one line of text,
//
//	1 <cookie> <serial id> <timeout> <unit> <function> <register> <count or value> [values]
//
// The cookie is a number of the sender's, the timeout is in seconds (0 = the bus's), and
// registers are counted from 1. The serial id is not used: the topic names the bus. The
// reply is "<cookie> OK", with the values of a read after it, or "<cookie> ERROR: why".

// fields of a line, by their places.
const (
	lineFormat = iota
	lineCookie
	lineSerial
	lineTimeout
	lineUnit
	lineFunction
	lineRegister
	lineCount
	lineValues
)

var lineNames = []string{"format", "cookie", "serial id", "timeout", "unit", "function", "register", "count or value", "values"}

const lineExample = "1 65432 1 5 1 3 259 2 (format, cookie, serial id, timeout, unit, function, register from 1, count or value)"

// line takes a request in this form. An error carries the cookie, if there is one.
func line(payload []byte) (*Request, *Error) {
	words := strings.Fields(string(payload))
	cookie := ""
	if len(words) > lineCookie && isCookie(words[lineCookie]) {
		cookie = words[lineCookie]
	}
	r, fault := fromLine(words)
	if fault != nil {
		fault.cookie = cookie
		return nil, fault
	}
	r.Form, r.cookie = Line, cookie
	return r, nil
}

// isCookie: a number of 64 bits without a sign.
func isCookie(word string) bool {
	_, err := strconv.ParseUint(word, 10, 64)
	return err == nil && word[0] != '+'
}

func fromLine(words []string) (*Request, *Error) {
	switch {
	case len(words) <= lineCookie || !isCookie(words[lineCookie]):
		return nil, lineFault("this bus takes lines such as %s", lineExample)
	case words[lineFormat] == "0":
		return nil, lineFault("format 0 names a host, which no request can: begin with 1, the topic names the bus")
	case words[lineFormat] != "1":
		return nil, lineFault("the line begins with %s: it must begin with 1", short(words[lineFormat]))
	case len(words) <= lineCount:
		return nil, lineFault("the %s is missing: a line is like %s", lineNames[len(words)], lineExample)
	case len(words) > lineValues+1:
		return nil, lineFault("%s does not belong into the line: values are written as 1,2,3", short(words[lineValues+1]))
	}
	for _, place := range []int{lineTimeout, lineUnit, lineFunction, lineRegister, lineCount} {
		if !isNumber(words[place]) {
			return nil, lineFault("the %s is %s: it must be a number", lineNames[place], short(words[place]))
		}
	}
	m, fault := lineMembers(words)
	if fault != nil {
		return nil, fault
	}
	r, fault := fromFields(m)
	if fault == nil && m.has(keyTimeout) {
		r.Timeout, fault = m.timeout()
	}
	return r, fault
}

// lineMembers are the fields as those of a JSON request.
func lineMembers(words []string) (members, *Error) {
	m := members{keyUnit: json.RawMessage(words[lineUnit]), keyFunction: json.RawMessage(words[lineFunction])}
	register, _ := strconv.Atoi(words[lineRegister])
	if register < 1 || register > modbus.AddressSpace {
		return nil, &Error{Code: Invalid, Exception: modbus.IllegalDataAddress, Message: fmt.Sprintf("the register is %s: registers are counted from 1 to %d", words[lineRegister], modbus.AddressSpace)}
	}
	m[keyAddress] = json.RawMessage(strconv.Itoa(register - 1))
	if seconds, _ := strconv.Atoi(words[lineTimeout]); seconds > maxTimeout/1000 {
		return nil, lineFault("the timeout is %d s: it must be at most %d", seconds, maxTimeout/1000)
	} else if seconds > 0 {
		m[keyTimeout] = json.RawMessage(strconv.Itoa(1000 * seconds))
	}
	function, _ := strconv.Atoi(words[lineFunction])
	several := function == int(modbus.WriteMultipleCoils) || function == int(modbus.WriteMultipleRegisters)
	switch {
	case several && len(words) <= lineValues:
		return nil, lineFault("the values are missing: after the count write them as 1,2,3")
	case several:
		return m, m.several(words[lineCount], words[lineValues])
	case len(words) > lineValues:
		return nil, lineFault("%s does not belong into the line: function %d has no list of values", short(words[lineValues]), function)
	case function == int(modbus.WriteSingleCoil) || function == int(modbus.WriteSingleRegister):
		m[keyValues] = json.RawMessage("[" + words[lineCount] + "]")
	default:
		m[keyQuantity] = json.RawMessage(words[lineCount])
	}
	return m, nil
}

// several sets a list of values, of which there must be as many as was said.
func (m members) several(count, list string) *Error {
	values := strings.Split(list, ",")
	if i := slices.IndexFunc(values, func(v string) bool { return !isNumber(v) }); i >= 0 {
		return lineFault("value %d is %q: values are numbers, written as 1,2,3", i+1, short(values[i]))
	}
	if n, _ := strconv.Atoi(count); n != len(values) {
		return lineFault("the count is %s, and there are %d values", count, len(values))
	}
	m[keyValues] = json.RawMessage("[" + strings.Join(values, ",") + "]")
	return nil
}

// isNumber reports whether a word is a whole number as JSON has them, and not a long one.
func isNumber(word string) bool {
	return len(word) > 0 && len(word) <= 9 && strings.Trim(word, "0123456789") == "" && (word[0] != '0' || len(word) == 1)
}

func lineFault(format string, args ...any) *Error {
	return &Error{Code: NotAFrame, Message: fmt.Sprintf(format, args...)}
}

// short is a word that may be long, and have what is no text.
func short(word string) string {
	word = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, word)
	if len(word) > 20 {
		return strings.ToValidUTF8(word[:20], "") + "…"
	}
	return word
}

// line is the reply in this form; nil for a broadcast that was sent.
func (r *Request) line(res Result) []byte {
	answer := r.answer(res)
	if res.Code != "" {
		return lineError(r.cookie, describe(res, answer).Message)
	}
	b := bytes.NewBufferString(r.cookie + " OK")
	switch values := r.values(answer).(type) {
	case []bool:
		for _, on := range values {
			b.WriteString(map[bool]string{false: " 0", true: " 1"}[on])
		}
	case []uint16:
		for _, v := range values {
			b.WriteString(" " + strconv.Itoa(int(v)))
		}
	}
	return b.Bytes()
}

func lineError(cookie, why string) []byte { return []byte(cookie + " ERROR: " + why) }
