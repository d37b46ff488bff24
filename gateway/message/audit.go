package message

import (
	"time"

	"modferry/modbus"
)

// Audit is one write that was executed or refused, as the audit topic tells it.
type Audit struct {
	Time      string   `json:"time"` // RFC 3339, UTC, milliseconds
	Bus       string   `json:"bus"`
	Client    string   `json:"client"` // "" = the topic without an ending
	Unit      byte     `json:"unit"`   // 0 and function 0 where what was sent is no request
	Function  byte     `json:"function"`
	Address   *uint16  `json:"address,omitempty"` // of the span that is written; none for functions without
	Values    []uint16 `json:"values,omitempty"`  // what was to be written, coils as 0 and 1; for function 22 its two masks
	Outcome   Outcome  `json:"outcome"`
	Code      Code     `json:"code,omitempty"`      // none = the device did it
	Exception byte     `json:"exception,omitempty"` // what the requester was answered
	Message   string   `json:"message,omitempty"`
}

// NewAudit tells what became of a write.
func NewAudit(bus, client string, r *Request, res Result, at time.Time) Audit {
	a := Audit{
		Time: at.UTC().Format(TimeFormat), Bus: bus, Client: client, Unit: r.Unit, Function: r.PDU.FunctionCode,
		Outcome: r.Outcome(res), Code: res.Code, Message: res.Message,
	}
	if e := modbus.AsException(r.answer(res)); e != nil {
		a.Exception = e.ExceptionCode
	}
	for _, s := range modbus.Spans(r.PDU) {
		if s.Write {
			a.Address = &s.Address
		}
	}
	if modbus.CheckRequest(r.PDU) != nil {
		return a // its values are none
	}
	a.Values, _ = modbus.Written(r.PDU)
	if r.PDU.FunctionCode == modbus.MaskWriteRegister {
		a.Values = modbus.Registers(r.PDU.Data[2:])
	}
	return a
}

// NewRefusal tells of a write that no request could be made of.
func NewRefusal(bus, client string, why *Error, at time.Time) Audit {
	return Audit{
		Time: at.UTC().Format(TimeFormat), Bus: bus, Client: client,
		Outcome: Refused, Code: why.Code, Exception: why.Exception, Message: why.text(),
	}
}

// JSON returns the audit on one line.
func (a Audit) JSON() []byte { return Encode(a) }
