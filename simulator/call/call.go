package call

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"modferry/modbus"
	"modferry/modbus/explain"
	"modferry/simulator/match"
)

// Call is a request that came in, and what was sent for it. Its bytes must not be changed.
type Call struct {
	Number  uint64    // from 1, in the order of the replies
	Time    time.Time // of the request, by the simulator's clock
	Face    string    // the kind of face: "tcp", "pty", "serial"
	Client  string    // its address; "" on a line
	Framing modbus.Framing
	Unit    byte
	PDU     modbus.PDU // of the request
	Request []byte     // the frame
	Reply   []byte     // all that was sent for it; empty: silence
	Faults  []string   // the names of those that had a part in it
}

// Answered reports whether anything was sent.
func (c Call) Answered() bool { return len(c.Reply) > 0 }

// Spans returns what the request touches.
func (c Call) Spans() []modbus.Span { return match.Touches(c.PDU) }

// writtenCall is the JSON form of a call.
type writtenCall struct {
	Number       uint64    `json:"number"`
	Time         time.Time `json:"time"`
	Face         string    `json:"face"`
	Client       string    `json:"client,omitempty"`
	Unit         byte      `json:"unit"`
	Function     byte      `json:"function"`
	FunctionName string    `json:"function_name,omitempty"`
	Spans        []touched `json:"touches,omitempty"`
	Request      string    `json:"request"`
	Reply        string    `json:"reply"`
	Answered     bool      `json:"answered"`
	Exception    byte      `json:"exception,omitempty"`
	Decoded      decoded   `json:"decoded"`
	Faults       []string  `json:"faults"`
}

type touched struct {
	Table    string `json:"table"`
	Address  uint16 `json:"address"`
	Quantity int    `json:"quantity"`
	Write    bool   `json:"write"`
}

type decoded struct {
	Request string `json:"request"`
	Reply   string `json:"reply,omitempty"`
}

// MarshalJSON returns the call with its frames in hex, and in words.
func (c Call) MarshalJSON() ([]byte, error) {
	w := writtenCall{
		Number: c.Number, Time: c.Time, Face: c.Face, Client: c.Client, Unit: c.Unit,
		Function: c.PDU.FunctionCode, FunctionName: modbus.FunctionName(c.PDU.FunctionCode),
		Request: upperHex(c.Request), Reply: upperHex(c.Reply), Answered: c.Answered(), Faults: append([]string{}, c.Faults...),
		Decoded: decoded{Request: explain.Frame(c.Request).Summary},
	}
	for _, s := range c.Spans() {
		w.Spans = append(w.Spans, touched{match.TableName(s.Table), s.Address, s.Quantity, s.Write})
	}
	if c.Answered() {
		w.Decoded.Reply = explain.Reply(c.Request, c.Reply).Summary
	}
	if a, err := c.Framing.Parse(c.Reply); err == nil {
		if e := modbus.AsException(a.PDU); e != nil {
			w.Exception = e.ExceptionCode
		}
	}
	return json.Marshal(w)
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
