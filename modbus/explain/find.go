package explain

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"modferry/modbus"
	"modferry/modbus/hextext"
)

// reading is one way to read the bytes: where its parts are, and what stands out.
type reading struct {
	framing     modbus.Framing
	kind        Kind
	text        string // of an ASCII frame
	raw         []byte // all bytes; for ASCII those between ':' and the line's end
	before      int    // bytes of raw in front of the frame: noise
	header      int    // bytes of the frame in front of the unit
	body        []byte // unit and PDU
	tail        int    // bytes after the body: check code and what is too much
	transaction uint16
	check       *Check // nil = none, or too broken to tell
	problems    []Problem
}

// find reads the input in the most likely way. ok is false if there is no unit and function in it.
func find(input []byte, request *modbus.ADU) (r reading, ok bool) {
	text := bytes.TrimSpace(input)
	switch {
	case len(text) == 0:
		r.problems = []Problem{{"there are no bytes", "give a frame as hex digits, such as 010400010002200B"}}
		return r, false
	case text[0] == ':' && !bytes.ContainsRune(text[1:], ':') && isText(text):
		return findASCII(string(bytes.TrimLeft(input, " \t\r\n")), request)
	case !isText(input):
		return findBytes(input, request)
	}
	raw, _, err := hextext.Parse(text)
	if err != nil {
		r.text = string(text)
		r.problems = []Problem{{err.Error(), "write each byte as two hex digits, such as 01 04 00 01 00 02 20 0B"}}
		return r, false
	}
	return findBytes(raw, request)
}

func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' && r != '\r' && r != '\n' })
}

// findBytes tries the readings from the surest to the least sure.
func findBytes(raw []byte, request *modbus.ADU) (reading, bool) {
	if len(raw) < 2 {
		return reading{raw: raw, problems: []Problem{{
			"one byte is no frame: the shortest has a unit, a function and a check code",
			"give the whole frame, two hex digits for each byte",
		}}}, false
	}
	for _, try := range []func([]byte, *modbus.ADU) (reading, bool){
		goodRTU, goodTCP, insideNoise, goodBare, brokenTCP, lengthRTU,
	} {
		if r, ok := try(raw, request); ok {
			return r.settled(), true
		}
	}
	return brokenRTU(raw, request).settled(), true
}

// settled corrects the kind by what only the whole frame tells.
func (r reading) settled() reading {
	switch {
	case r.body[1]&^exceptionBit == 0:
		r.kind = Unknown
	case r.kind == Either && r.body[0] == modbus.Broadcast && r.framing != modbus.TCP:
		r.kind = Request // nobody answers a broadcast
	}
	return r
}

func goodRTU(raw []byte, request *modbus.ADU) (reading, bool) {
	_, err := modbus.ParseRTU(raw)
	return newRTU(raw, request), err == nil
}

func goodTCP(raw []byte, request *modbus.ADU) (reading, bool) {
	if _, err := modbus.ParseTCP(raw); err != nil || !known(raw[modbus.HeaderSize]) {
		return reading{}, false
	}
	if len(raw) == modbus.HeaderSize+1 && exactRTU(raw, request) { // a damaged RTU frame is likelier than a request without data
		return reading{}, false
	}
	return newTCP(raw, request), true
}

// insideNoise finds a whole RTU frame with more in front of or behind it.
func insideNoise(raw []byte, request *modbus.ADU) (reading, bool) {
	const noise = 8 // bytes in front
	for from := range min(noise, len(raw)-4) + 1 {
		for _, n := range lengths(raw[from+1:], request) {
			end := from + n + 3
			if n < 1 || end > len(raw) || from == 0 && end == len(raw) {
				continue
			}
			if _, err := modbus.ParseRTU(raw[from:end]); err == nil && known(raw[from+1]) {
				r := newRTU(raw[from:end], request)
				r.raw, r.before, r.tail = raw, from, len(raw)-end+2
				return r, true
			}
		}
	}
	return reading{}, false
}

func goodBare(raw []byte, request *modbus.ADU) (reading, bool) {
	r := reading{framing: modbus.Bare, raw: raw, body: raw}
	r.kind = kindOf(raw[1:], request)
	if !known(raw[1]) || !exact(raw[1:], r.kind, request) {
		return r, false
	}
	a, err := modbus.ParseBare(raw)
	return r, err == nil && (r.kind != Request && r.kind != Either || modbus.CheckRequest(a.PDU) == nil || !exactRTU(raw, request))
}

// lengthRTU takes a frame of full length, whose CRC must be wrong; a function
// that the standard does not describe can have any length.
func lengthRTU(raw []byte, request *modbus.ADU) (reading, bool) {
	if len(raw) < 4 || !exactRTU(raw, request) && modbus.IsStandard(raw[1]&^exceptionBit) {
		return reading{}, false
	}
	return newRTU(raw, request), true
}

// brokenTCP takes what has a TCP header but for its protocol id or length.
func brokenTCP(raw []byte, request *modbus.ADU) (reading, bool) {
	if len(raw) <= modbus.HeaderSize || !known(raw[modbus.HeaderSize]) || exactRTU(raw, request) {
		return reading{}, false
	}
	r := newTCP(raw, request)
	protocol, length := binary.BigEndian.Uint16(raw[2:]), int(binary.BigEndian.Uint16(raw[4:]))
	follow := len(raw) - modbus.HeaderSize + 1
	switch {
	case protocol == 0 && length < 256:
		r.problems = append(r.problems, Problem{
			"the header says that " + bytesWord(length) + " follow, and " + bytesWord(follow) + " do",
			"correct the length in bytes 4-5, or send the frame whole",
		})
	case protocol != 0 && length == follow:
		r.problems = append(r.problems, Problem{
			"the protocol id in bytes 2-3 is not 0, the one of Modbus",
			"set it to 00 00; a server drops other frames without an answer",
		})
	default:
		return reading{}, false
	}
	return r, true
}

// brokenRTU is what remains: fields as far as they go, no check code.
func brokenRTU(raw []byte, request *modbus.ADU) reading {
	r := reading{framing: modbus.RTU, raw: raw, body: raw, kind: kindOf(raw[1:], request)}
	if n := needed(raw[1:], r.kind, request); n > 0 && n < len(raw)-1 {
		r.body, r.tail = raw[:n+1], len(raw)-n-1
	}
	return r
}

func newRTU(raw []byte, request *modbus.ADU) reading {
	if len(raw) < 4 {
		return reading{}
	}
	n := len(raw) - 2
	want := binary.LittleEndian.AppendUint16(nil, modbus.CRC(raw[:n]))
	return reading{
		framing: modbus.RTU, kind: kindOf(raw[1:n], request), raw: raw, body: raw[:n], tail: 2,
		check: &Check{"CRC", pairs(raw[n:]), pairs(want), bytes.Equal(raw[n:], want)},
	}
}

func newTCP(raw []byte, request *modbus.ADU) reading {
	return reading{
		framing: modbus.TCP, kind: kindOf(raw[modbus.HeaderSize:], request), raw: raw, header: modbus.HeaderSize - 1,
		body: raw[modbus.HeaderSize-1:], transaction: binary.BigEndian.Uint16(raw),
	}
}

func findASCII(text string, request *modbus.ADU) (reading, bool) {
	line := bytes.TrimRight([]byte(text), " \t\r\n")
	r := reading{framing: modbus.ASCII, text: text}
	raw, _, err := hextext.Parse(line[1:])
	switch {
	case err != nil:
		r.problems = []Problem{{"after the ':' of an ASCII frame: " + err.Error(), "an ASCII frame is ':', two hex digits for each byte, and CR LF"}}
	case len(raw) < 3:
		r.problems = []Problem{{"an ASCII frame has at least a unit, a function and an LRC", "give the whole line"}}
	default:
		n := len(raw) - 1
		want := modbus.LRC(raw[:n])
		r.raw, r.body, r.tail, r.kind = raw, raw[:n], 1, kindOf(raw[1:n], request)
		r.check = &Check{"LRC", pairs(raw[n:]), pairs([]byte{want}), raw[n] == want}
		return r.settled(), true
	}
	return r, false
}

// shown returns the frame as it is repeated in the explanation.
func (r *reading) shown() string {
	if r.text != "" {
		return string(bytes.TrimRight([]byte(r.text), " \t\r\n"))
	}
	return pairs(r.raw)
}
