package message

import (
	"bytes"

	"modferry/modbus"
	"modferry/modbus/hextext"
)

// certain recognises the frames that no text and no damaged frame can be: RTU with
// a standard function, else strict MBAP.
func (o Options) certain(b []byte) (modbus.ADU, modbus.Framing, bool) {
	if a, err := modbus.ParseRTU(b); err == nil && o.takes(modbus.RTU) && modbus.IsStandard(a.PDU.FunctionCode) && modbus.HasRequestLength(b[1:len(b)-2]) {
		return a, modbus.RTU, true
	}
	a, err := modbus.ParseTCP(b)
	if err != nil || !o.takes(modbus.TCP) || !isRequest(b[modbus.HeaderSize:]) {
		return modbus.ADU{}, 0, false
	}
	return a, modbus.TCP, o.Framing == modbus.TCP || strictMBAP(a.PDU.FunctionCode)
}

// strictMBAP leaves out the functions whose short requests an RTU frame with a wrong CRC can look like.
func strictMBAP(function byte) bool {
	switch function {
	case modbus.ReadExceptionStatus, modbus.Diagnostics, modbus.GetCommEventCounter, modbus.GetCommEventLog, modbus.ReportServerID:
		return false
	}
	return modbus.IsStandard(function)
}

// vendor recognises RTU with a function left to vendors; with Form Binary, with any function.
func (o Options) vendor(b []byte) (modbus.ADU, modbus.Framing, bool) {
	a, framing, ok := o.checked(b)
	return a, framing, ok && (o.Form == Binary || modbus.IsUserDefined(a.PDU.FunctionCode))
}

// checked recognises RTU with any function by its CRC alone.
func (o Options) checked(b []byte) (modbus.ADU, modbus.Framing, bool) {
	a, err := modbus.ParseRTU(b)
	return a, modbus.RTU, err == nil && o.takes(modbus.RTU) && isRequest(b[1:len(b)-2])
}

// bare recognises unit and PDU without a check code. Only an exact length speaks
// for them, so functions whose length varies or is unknown are not taken.
func (o Options) bare(b []byte) (modbus.ADU, modbus.Framing, bool) {
	a, err := modbus.ParseBare(b)
	return a, modbus.Bare, err == nil && o.takes(modbus.Bare) && modbus.RequestLength(b[1:]) == len(b)-1
}

// isRequest reports whether a PDU has a request's function code and its length.
func isRequest(pdu []byte) bool {
	return pdu[0] != 0 && pdu[0] < 0x80 && modbus.HasRequestLength(pdu)
}

// ascii takes an ASCII frame; text begins with its ':'.
func (o Options) ascii(text []byte) (*Request, *Error) {
	frame := bytes.TrimRight(text, blank)
	a, err := modbus.ParseASCII(frame)
	switch {
	case !o.takes(modbus.ASCII):
		return nil, &Error{Code: NotAFrame, Message: "this bus takes " + o.Framing.String() + " frames only, and this is " + named(modbus.ASCII)}
	case err != nil:
		return nil, codecError(err)
	case !isRequest(modbus.AppendBare(nil, a)[1:]):
		return nil, whyNotPDU(a, 2)
	}
	r := &Request{ADU: a, Form: ASCII, Framing: modbus.ASCII}
	_, r.style, _ = hextext.Parse(frame[1:]) // its letter case
	if bytes.HasSuffix(text, []byte("\r\n")) {
		r.ending = "\r\n"
	}
	return r, nil
}
