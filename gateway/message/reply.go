package message

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"modferry/modbus"
	"modferry/modbus/hextext"
	"modferry/modbus/register"
)

// Result is what became of a request that was accepted.
type Result struct {
	Reply   modbus.PDU    // the device's, or an exception made by the gateway; not used for a broadcast that was sent
	Code    Code          // "" = a normal reply
	Message string        // for people; "" = the code's own sentence
	Elapsed time.Duration // from sending to reply
	Outcome Outcome       // of a write; "" = what the code says

	Value *register.Value // of a set: what the device holds now; nil = not known
}

// Reply returns the payload that answers r, in its own form, framing and style.
// A broadcast that was sent has no answer but in JSON: nil.
func (r *Request) Reply(res Result) []byte {
	sent := r.broadcast && res.Code == ""
	switch {
	case r.set:
		return r.setResult(res)
	case r.Form == JSON:
		return r.object(res, sent)
	case r.Form == Line:
		return r.line(res)
	case sent:
		return nil
	}
	return r.frame(r.answer(res))
}

// answer returns the PDU of the reply: every code has one.
func (r *Request) answer(res Result) modbus.PDU {
	code := res.Code.exception()
	if code == 0 || modbus.AsException(res.Reply) != nil {
		return res.Reply
	}
	return modbus.ExceptionPDU(r.PDU.FunctionCode, code)
}

// frame wraps a reply in the request's framing and writes it in its style.
func (r *Request) frame(reply modbus.PDU) []byte {
	raw := r.Framing.Append(nil, modbus.ADU{Transaction: r.Transaction, Unit: r.Unit, PDU: reply})
	switch {
	case r.Framing == modbus.ASCII:
		return r.asciiText(raw)
	case r.Form == Binary:
		return raw
	}
	return r.style.Append(nil, raw)
}

// asciiText puts an upper-case ASCII frame into the request's letter case and ending.
func (r *Request) asciiText(frame []byte) []byte {
	digits, _, _ := hextext.Parse(frame[1:])
	return append(r.style.Append([]byte{':'}, digits), r.ending...)
}

// reply is a JSON reply; the keys are in the order of the documentation.
type reply struct {
	ID       json.RawMessage `json:"id,omitempty"`
	OK       bool            `json:"ok"`
	Frame    string          `json:"frame,omitempty"`
	Unit     *byte           `json:"unit,omitempty"`
	Function byte            `json:"function,omitempty"`
	Values   any             `json:"values,omitempty"`
	Error    *replyError     `json:"error,omitempty"`
	Outcome  Outcome         `json:"outcome,omitempty"`
	Elapsed  json.Number     `json:"elapsed_ms,omitempty"`
}

type replyError struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Exception byte   `json:"exception,omitempty"`
}

func (r *Request) object(res Result, sent bool) []byte {
	answer := r.answer(res)
	out := reply{ID: r.ID, OK: res.Code == "", Outcome: r.Outcome(res)}
	if fromDevice := out.OK || res.Code == Exception; fromDevice {
		out.Unit, out.Function, out.Elapsed = &r.Unit, r.PDU.FunctionCode, milliseconds(res.Elapsed)
		if !sent {
			out.Frame = string(r.frame(answer))
		}
	}
	switch {
	case !out.OK:
		out.Error = describe(res, answer)
	case !sent:
		out.Values = r.values(answer)
	}
	return Encode(out)
}

func describe(res Result, answer modbus.PDU) *replyError {
	out := &replyError{Code: res.Code, Message: res.Message}
	if e := modbus.AsException(answer); e != nil {
		out.Exception = e.ExceptionCode
	}
	switch {
	case out.Message != "":
	case res.Code == Exception:
		out.Message = "the device answered " + modbus.ExceptionName(out.Exception) + ": " + modbus.ExceptionHint(out.Exception)
	default:
		out.Message = res.Code.sentence()
	}
	return out
}

// values returns what a read returned: bits as booleans, registers as numbers; nil for other functions.
func (r *Request) values(answer modbus.PDU) any {
	d := answer.Data
	if answer.FunctionCode != r.PDU.FunctionCode || len(d) == 0 {
		return nil
	}
	switch answer.FunctionCode {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs:
		return modbus.Bits(d[1:], int(binary.BigEndian.Uint16(r.PDU.Data[2:])))
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		return modbus.Registers(d[1:])
	case modbus.ReadFIFOQueue: // byte count and FIFO count have two bytes each [App 6.18]
		return modbus.Registers(d[min(4, len(d)):])
	}
	return nil
}

// Outcome returns what became of a write, "" for a read.
func (r *Request) Outcome(res Result) Outcome {
	switch {
	case !r.IsWrite():
		return ""
	case res.Outcome != "":
		return res.Outcome
	case res.Code == "":
		return Done
	case res.Code == Timeout, res.Code == Exception && mayHaveWritten(res.Reply):
		return Unknown
	}
	return Refused
}

// mayHaveWritten: these exceptions come after the device has begun, or from a gateway that lost sight of it [App 7].
func mayHaveWritten(reply modbus.PDU) bool {
	e := modbus.AsException(reply)
	if e == nil {
		return true
	}
	switch e.ExceptionCode {
	case modbus.ServerDeviceFailure, modbus.Acknowledge, modbus.GatewayTargetNoResponse:
		return true
	}
	return false
}

// milliseconds returns d as a number with at most three decimals.
func milliseconds(d time.Duration) json.Number {
	return json.Number(strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64))
}

// Encode returns v, which must have a JSON form, without a newline and without escapes
// that only HTML needs.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("message: a value without JSON form: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
