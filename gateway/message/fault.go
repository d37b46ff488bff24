package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"modferry/modbus"
)

const (
	adviceMangled = "the bytes were turned into text on the way (EF BF BD stands for bytes that are no text): " +
		"publish a Uint8Array or Buffer, or the frame as hex digits"
	adviceStringified = "this is a buffer turned into text, not its bytes: publish the Uint8Array or Buffer itself, or the frame as hex digits"
)

var decimals = regexp.MustCompile(`^\d{1,3}(\s*,\s*\d{1,3}){3,}$`)

// stringified recognises what JavaScript makes of a buffer that is used as text.
func stringified(text []byte) bool {
	return bytes.HasPrefix(text, []byte("[object ")) || hasDecimals(text)
}

// hasDecimals reports whether text is a list of decimal byte values, at least one of which hex digits would write differently.
func hasDecimals(text []byte) bool {
	list := bytes.Trim(text, "[] ")
	if !decimals.Match(list) {
		return false
	}
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if len(bytes.TrimSpace(part)) != 2 {
			return true
		}
	}
	return false
}

// isBase64 reports whether text is the base64 of a frame.
func isBase64(text []byte) bool {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return false
	}
	_, _, ok := Options{}.certain(raw)
	return ok
}

func mangled(b []byte) bool {
	return utf8.Valid(b) && bytes.ContainsRune(b, utf8.RuneError)
}

// notHex says why a text is no frame; err is the hex parser's.
func notHex(text []byte, err error) string {
	switch {
	case mangled(text):
		return adviceMangled
	case text[0] == '"' || text[0] == '\'':
		return "the frame is in quotation marks: publish the hex digits alone"
	case isBase64(text):
		return "this looks like base64: publish the bytes themselves, or the frame as hex digits"
	}
	return err.Error() + "; publish a frame as hex digits (010400010002200B), bytes or JSON"
}

// codecError is the answer to a frame that a codec refused.
func codecError(err error) *Error {
	code := NotAFrame
	if _, ok := errors.AsType[*modbus.CheckError](err); ok {
		code = BadCRC
	} else if _, ok := errors.AsType[*modbus.LengthError](err); ok {
		code = BadLength
	}
	return &Error{Code: code, Message: err.Error()}
}

// whyNot says why b is no request frame, in the words of the frame that it comes closest to.
func (o Options) whyNot(b []byte, form Form) *Error {
	rtu, crc := modbus.ParseRTU(b)
	tcp, header := modbus.ParseTCP(b)
	switch {
	case mangled(b):
		return &Error{Code: NotAFrame, Message: adviceMangled}
	case form == Binary && isText(b):
		return &Error{Code: NotAFrame, Message: "this bus takes binary payloads only, and this is text: publish the frame's bytes"}
	case len(b) < 4:
		return tooShort(b, form)
	case crc == nil:
		return o.whyNotWhole(rtu, modbus.RTU)
	case header == nil && (o.Framing != 0 || !hasCheckedLength(b)):
		return o.whyNotWhole(tcp, modbus.TCP)
	case o.Framing == modbus.TCP:
		return codecError(header)
	case len(b) > modbus.MaxRTU:
		return codecError(crc)
	case modbus.RequestLength(b[1:]) == len(b)-1:
		return o.whyNotBare()
	case headed(b) && !hasCheckedLength(b):
		return codecError(header)
	}
	fault := whyNotChecked(b, crc)
	if header == nil && o.takes(modbus.TCP) {
		fault.Message += "; if it is a TCP frame, set the bus's framing to TCP"
	}
	return fault
}

func tooShort(b []byte, form Form) *Error {
	message := "one byte is too little: the shortest request has 4 with its CRC"
	if len(b) > 1 {
		message = tooFew(b)
	}
	if form == Binary {
		message += "; a tool that sends hex as bytes (MQTTX) wants the digits without 0x and commas"
	}
	return &Error{Code: BadLength, Message: message}
}

// tooFew says what a request that begins with unit and function code needs.
func tooFew(b []byte) string {
	name := functionName(b[1])
	switch needs := modbus.RequestLength(b[1:]); {
	case b[1] == 0 || b[1] >= 0x80:
		return fmt.Sprintf("%d bytes are too few, and the function code is %02X: those of requests are 01 to 7F", len(b), b[1])
	case needs == modbus.More:
		return fmt.Sprintf("the request of %s ends too early, after %d bytes", name, len(b))
	case needs == modbus.Open:
		return fmt.Sprintf("%d bytes are too few: a request of %s ends with its CRC, which has 2", len(b), name)
	default:
		return fmt.Sprintf("%d bytes are too few: a request of %s has %d, or %d with its CRC", len(b), name, needs+1, needs+3)
	}
}

// hasCheckedLength reports whether b is as long as its function's request with a CRC.
func hasCheckedLength(b []byte) bool { return modbus.RequestLength(b[1:]) == len(b)-3 }

// headed reports whether b begins like an MBAP header in front of a standard function.
func headed(b []byte) bool {
	return len(b) > modbus.HeaderSize && b[2] == 0 && b[3] == 0 && strictMBAP(b[modbus.HeaderSize])
}

// whyNotWhole explains a frame whose check code or header is right.
func (o Options) whyNotWhole(a modbus.ADU, framing modbus.Framing) *Error {
	around := map[modbus.Framing]int{modbus.RTU: 3, modbus.TCP: modbus.HeaderSize}[framing]
	name := functionName(a.PDU.FunctionCode)
	if fault := whyNotPDU(a, around); fault != nil {
		return fault
	}
	switch {
	case !o.takes(framing):
		return &Error{Code: NotAFrame, Message: fmt.Sprintf("this bus takes %s frames only, and this is %s", o.Framing, named(framing))}
	case framing == modbus.TCP:
		return &Error{Code: NotAFrame, Message: name + " behind a TCP header looks like a damaged RTU frame: send it as RTU, or set the bus's framing to TCP"}
	}
	return &Error{Code: NotAFrame, Message: name + " is neither standard nor a vendor's: send it as hex digits, or set the bus's payload to binary"}
}

// named returns a framing with its article.
func named(f modbus.Framing) string {
	if f == modbus.TCP {
		return "a TCP frame"
	}
	return "an " + f.String() + " frame"
}

func (o Options) whyNotBare() *Error {
	if o.Framing != 0 {
		return &Error{Code: BadCRC, Message: fmt.Sprintf("this bus takes %s frames only, and this has no check code", o.Framing)}
	}
	return &Error{Code: BadCRC, Message: "the frame has no CRC: add it, send the frame as hex digits, or set the bus's framing to bare"}
}

// whyNotPDU explains a function code or length that no request has; nil if both are
// right. around is what the framing adds to the PDU, in bytes.
func whyNotPDU(a modbus.ADU, around int) *Error {
	pdu := modbus.AppendBare(nil, a)[1:]
	function := pdu[0]
	switch {
	case function == 0:
		return &Error{Code: NotAFrame, Message: "function 0 does not exist: functions are 1 to 127"}
	case function >= 0x80:
		return &Error{Code: NotAFrame, Message: "this is a reply, not a request: " + describeException(a)}
	case modbus.HasRequestLength(pdu):
		return nil
	case modbus.ReplyLength(modbus.PDU{}, pdu) == len(pdu):
		return &Error{Code: BadLength, Message: fmt.Sprintf("this is a reply of %s, not a request", functionName(function))}
	}
	needs, has := modbus.RequestLength(pdu)+around, len(pdu)+around
	if needs == modbus.More+around {
		return &Error{Code: BadLength, Message: fmt.Sprintf("the request of %s ends too early, after %d bytes", functionName(function), has)}
	}
	return &Error{Code: BadLength, Message: fmt.Sprintf("a request of %s has %d bytes, this has %d", functionName(function), needs, has)}
}

// whyNotChecked explains bytes that neither a check code nor a header vouches for.
func whyNotChecked(b []byte, crc error) *Error {
	pdu, name := b[1:], functionName(b[1])
	needs := modbus.RequestLength(pdu)
	switch {
	case pdu[0] == 0 || pdu[0] >= 0x80:
		return &Error{Code: NotAFrame, Message: fmt.Sprintf("the function code is %02X, and those of requests are 01 to 7F; %s", pdu[0], crc)}
	case hasCheckedLength(b) || needs == modbus.Open:
		return &Error{Code: BadCRC, Message: wrongCheck(b, crc)}
	case looksLikeReply(pdu):
		return &Error{Code: BadLength, Message: fmt.Sprintf("this looks like a reply of %s, not a request", name)}
	case needs == modbus.More:
		return &Error{Code: BadLength, Message: fmt.Sprintf("the request of %s ends too early, after %d bytes", name, len(b))}
	}
	return &Error{Code: BadLength, Message: fmt.Sprintf("a request of %s has %d bytes, or %d with its CRC; this has %d", name, needs+1, needs+3, len(b))}
}

// looksLikeReply reports whether pdu is a reply that carries something, alone or before a check code.
func looksLikeReply(pdu []byte) bool {
	n := modbus.ReplyLength(modbus.PDU{}, pdu)
	return pdu[1] > 0 && (n == len(pdu) || n == len(pdu)-2)
}

// wrongCheck adds to a wrong CRC what people usually did.
func wrongCheck(b []byte, crc error) string {
	n := len(b)
	swapped := append(bytes.Clone(b[:n-2]), b[n-1], b[n-2])
	if _, err := modbus.ParseRTU(swapped); err == nil {
		return crc.Error() + "; its two bytes are swapped, the low byte goes first"
	}
	return crc.Error()
}

func describeException(a modbus.ADU) string {
	if e := modbus.AsException(a.PDU); e != nil {
		return fmt.Sprintf("unit %d answers exception %d (%s) to function %d", a.Unit, e.ExceptionCode, modbus.ExceptionName(e.ExceptionCode), e.FunctionCode)
	}
	return fmt.Sprintf("its function code %02X says exception", a.PDU.FunctionCode)
}

// functionName returns "function 4 (read_input_registers)".
func functionName(code byte) string {
	if name := modbus.FunctionName(code); name != "" {
		return fmt.Sprintf("function %d (%s)", code, name)
	}
	return fmt.Sprintf("function %d", code)
}
