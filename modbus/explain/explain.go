package explain

import (
	"encoding/hex"
	"strings"

	"modferry/modbus"
)

// Kind is who sent a frame.
type Kind string

// The kinds. Either is a frame that a client and a server can send.
const (
	Request   Kind = "request"
	Answer    Kind = "reply"
	Exception Kind = "exception"
	Either    Kind = "request or reply"
	Unknown   Kind = "unknown"
)

// Explanation is what can be said about a frame. Its JSON form has the same facts as its text.
type Explanation struct {
	Frame    string    `json:"frame"`             // hex digits, or the line for ASCII
	Framing  string    `json:"framing,omitempty"` // RTU, ASCII, TCP or bare; "" if nothing fits
	Kind     Kind      `json:"kind"`
	Summary  string    `json:"summary"` // one sentence without a full stop
	Unit     *byte     `json:"unit,omitempty"`
	Function byte      `json:"function,omitempty"` // without the exception bit
	Fields   []Field   `json:"fields,omitempty"`   // in the order of the bytes; together they are the frame
	Values   []Value   `json:"values,omitempty"`
	Check    *Check    `json:"check,omitempty"`
	Problems []Problem `json:"problems,omitempty"` // none = a good frame
	Notes    []string  `json:"notes,omitempty"`
}

// Field is one or more bytes that mean one thing.
type Field struct {
	Offset  int    `json:"offset"` // of the first byte; of the first character for ASCII
	Bytes   string `json:"bytes"`  // hex digits in pairs; for ASCII also ":", and "CR LF" for the line's end
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Meaning string `json:"meaning,omitempty"`
}

// Value is a register or a bit that the frame carries.
type Value struct {
	Address *int    `json:"address,omitempty"` // known in requests, and in replies to a known request
	Hex     string  `json:"hex,omitempty"`
	Uint16  *uint16 `json:"uint16,omitempty"`
	Int16   *int16  `json:"int16,omitempty"`
	Bit     *bool   `json:"bit,omitempty"`
}

// Check compares a check code, in the order of its bytes on the line.
type Check struct {
	Name     string `json:"name"` // CRC or LRC
	Found    string `json:"found"`
	Expected string `json:"expected"`
	OK       bool   `json:"ok"`
}

// Problem is something wrong with a frame, and what to do about it.
type Problem struct {
	What string `json:"what"`
	Do   string `json:"do,omitempty"`
}

// Good reports whether nothing is wrong with the frame.
func (e Explanation) Good() bool { return len(e.Problems) == 0 }

// Frame explains a frame given as hex digits, as an ASCII frame or as bytes.
func Frame(input []byte) Explanation { return explain(input, nil) }

// Reply explains a reply in the light of its request, and says so if it does not
// answer it. A request that is no frame is left out of account.
func Reply(request, reply []byte) Explanation {
	asked, ok := find(request, nil)
	if !ok || asked.kind != Request && asked.kind != Either || len(asked.body) < 2 {
		return explain(reply, nil)
	}
	a, err := modbus.ParseBare(asked.body)
	if err != nil || modbus.CheckRequest(a.PDU) != nil {
		return explain(reply, nil)
	}
	a.Transaction = asked.transaction
	return explain(reply, &a)
}

// explain explains input; request is what it answers, nil if that is not known.
func explain(input []byte, request *modbus.ADU) Explanation {
	r, ok := find(input, request)
	e := Explanation{Frame: r.shown(), Kind: r.kind, Problems: r.problems}
	if !ok {
		e.Kind, e.Summary = Unknown, "this is no Modbus frame"
		return e
	}
	e.Framing = r.framing.String()
	w := newWalker(r, request)
	w.walk()
	e.Unit, e.Function = &r.body[0], r.body[1]&^exceptionBit
	e.Fields, e.Values, e.Check = w.fields, w.values, r.check
	e.Summary = w.summary()
	e.Problems = append(e.Problems, r.judge(request)...)
	e.Notes = r.notes()
	return e
}

const exceptionBit = 0x80

// pairs returns b as "01 04 0A".
func pairs(b []byte) string {
	digits := strings.ToUpper(hex.EncodeToString(b))
	var out strings.Builder
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(digits[i : i+2])
	}
	return out.String()
}
