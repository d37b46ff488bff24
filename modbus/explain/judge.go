package explain

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"modferry/modbus"
)

// judge finds what is wrong with a frame whose parts are known.
func (r *reading) judge(request *modbus.ADU) []Problem {
	var found []Problem
	add := func(what, do string) { found = append(found, Problem{what, do}) }
	r.judgeSurroundings(add)
	switch function := r.body[1]; {
	case function&^exceptionBit == 0:
		add("there is no function 0", "functions are 1 to 127")
		return found
	case r.framing != modbus.TCP && r.body[0] > modbus.MaxUnit:
		add(fmt.Sprintf("unit %d is no address on a serial line", r.body[0]), "devices have 1 to 247, 0 is all of them")
	}
	if !r.judgeLength(request, add) {
		return found
	}
	if r.check != nil && !r.check.OK {
		r.judgeCheck(add)
	}
	r.judgeContent(request, add)
	return found
}

func (r *reading) judgeSurroundings(add func(what, do string)) {
	if r.before > 0 {
		add(bytesWord(r.before)+" in front of the frame", "leave out "+pairs(r.raw[:r.before])+"; on a line that is noise")
	}
	extra := r.tail
	if r.check != nil {
		extra -= (len(r.check.Found) + 1) / 3
		if extra > 0 {
			add(bytesWord(extra)+" behind the frame", "leave out "+pairs(r.raw[len(r.raw)-extra:])+"; send one frame at a time")
		}
	}
}

// judgeLength reports whether the PDU has the length of its function; what follows makes no sense otherwise.
func (r *reading) judgeLength(request *modbus.ADU, add func(what, do string)) bool {
	pdu := r.body[1:]
	n := needed(pdu, r.kind, request)
	around := len(r.raw) - r.before - len(pdu)
	if r.check == nil && r.framing == modbus.RTU { // nothing said where the frame ends
		r.judgeEnd(n, add)
		return false
	}
	if len(r.problems) > 0 { // the header is wrong, and said so
		return n == len(pdu)
	}
	kind := r.noun()
	switch {
	case n == modbus.Open && len(pdu) <= modbus.MaxPDU, n == len(pdu):
		return true
	case n == modbus.More && counted(pdu, r.kind) < 0:
		add(fmt.Sprintf("%s ends too early, after %s", kind, bytesWord(len(pdu)+around)), "give the whole frame")
	case len(pdu) > modbus.MaxPDU:
		add(fmt.Sprintf("%s has %s, more than any Modbus frame", kind, bytesWord(len(pdu)+around)), fmt.Sprintf("unit, function and data have at most %d", modbus.MaxPDU+1))
	case counted(pdu, r.kind) >= 0:
		at := counted(pdu, r.kind)
		add(fmt.Sprintf("the byte count is %d, and %s", pdu[at], follow(len(pdu)-at-1)), "correct the byte count, or give the whole frame")
	default:
		add(fmt.Sprintf("%s has %s, this one %d", kind, bytesWord(n+around), len(pdu)+around), advice(n-len(pdu)))
	}
	return false
}

// judgeEnd compares the bytes of a frame without a recognisable end with what it should have.
func (r *reading) judgeEnd(n int, add func(what, do string)) {
	has := len(r.raw)
	if n < 1 {
		add(fmt.Sprintf("the frame ends too early, or its check code is wrong: it has %s", bytesWord(has)), "give the whole frame; an RTU frame ends with its CRC")
		return
	}
	add(fmt.Sprintf("%s has %s and a CRC of 2, this one has %d", r.noun(), bytesWord(n+1), has), advice(n+3-has))
}

func advice(missing int) string {
	if missing > 0 {
		return bytesWord(missing) + " too few: give the whole frame"
	}
	if missing == -1 {
		return "1 byte too many: leave it out"
	}
	return bytesWord(-missing) + " too many: leave them out"
}

// noun returns "a request of function 4 (read input registers)".
func (r *reading) noun() string {
	function := r.body[1] &^ exceptionBit
	kind := map[Kind]string{Request: "a request", Answer: "a reply", Exception: "an exception", Either: "a frame"}[r.kind]
	return fmt.Sprintf("%s of function %d (%s)", kind, function, functionWords(function))
}

func follow(n int) string {
	if n == 1 {
		return "1 byte follows"
	}
	return bytesWord(n) + " follow"
}

// counted returns the index of a PDU's byte count, -1 if it has none in sight.
func counted(pdu []byte, kind Kind) int {
	at := -1
	switch pdu[0] {
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		at = 5
	case modbus.ReadWriteRegisters:
		at = 9
	case modbus.ReadFileRecord, modbus.WriteFileRecord:
		return min(1, len(pdu)-1)
	}
	if kind == Answer {
		switch pdu[0] {
		case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters,
			modbus.ReadWriteRegisters, modbus.GetCommEventLog, modbus.ReportServerID:
			at = 1
		default:
			return -1
		}
	}
	if at >= len(pdu) || kind == Exception {
		return -1
	}
	return at
}

func (r *reading) judgeCheck(add func(what, do string)) {
	c := r.check
	if c.Name == "LRC" {
		add(fmt.Sprintf("the last byte is %s, the LRC of the bytes before is %s", c.Found, c.Expected), "compare the digits with their source; one is wrong or missing")
		return
	}
	do := "compare the bytes with their source; one is wrong, or the CRC was computed over others"
	if found, err := hex.DecodeString(strings.ReplaceAll(c.Found, " ", "")); err == nil && pairs([]byte{found[1], found[0]}) == c.Expected {
		do = "swap the last two bytes: the low byte goes first"
	}
	add(fmt.Sprintf("the last two bytes are %s, the CRC of the bytes before is %s (low byte first)", c.Found, c.Expected), do)
}

// judgeContent finds what the specification does not allow in a frame of the right length.
func (r *reading) judgeContent(request *modbus.ADU, add func(what, do string)) {
	p := modbus.PDU{FunctionCode: r.body[1], Data: r.body[2:]}
	switch {
	case r.kind == Request || r.kind == Either:
		if refused, ok := errors.AsType[*modbus.RequestError](modbus.CheckRequest(p)); ok {
			add(refused.Reason, fmt.Sprintf("a device answers this with exception %d, %s", refused.Exception, modbus.ExceptionName(refused.Exception)))
		}
	case r.kind == Answer && oddRegisters(p):
		add(fmt.Sprintf("the byte count is %d, and registers have two bytes each", p.Data[0]), "look at the device: its reply is broken")
		return
	}
	if request == nil {
		return
	}
	if r.framing != modbus.TCP {
		unnumbered := *request
		unnumbered.Transaction = 0
		request = &unnumbered
	}
	if err := modbus.Answers(*request, modbus.ADU{Transaction: r.transaction, Unit: r.body[0], PDU: p}); err != nil {
		add("this does not answer the request: "+err.Error(), "ask again; if it stays so, another client is on the line or the device answers wrongly")
	}
}

// oddRegisters reports a reply of registers with half of one.
func oddRegisters(p modbus.PDU) bool {
	switch p.FunctionCode {
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		return len(p.Data)%2 == 0
	}
	return false
}

// notes says what is right but worth knowing.
func (r *reading) notes() []string {
	var notes []string
	function := r.body[1]
	if r.framing == modbus.Bare {
		whole := modbus.AppendRTU(nil, modbus.ADU{Unit: r.body[0], PDU: modbus.PDU{FunctionCode: function, Data: r.body[2:]}})
		notes = append(notes, fmt.Sprintf("there is no check code; on a serial line the CRC %s would follow", pairs(whole[len(whole)-2:])))
	}
	if r.kind == Exception && len(r.body) > 2 {
		notes = append(notes, modbus.ExceptionHint(r.body[2]))
		if code := r.body[2]; code >= modbus.IllegalFunction && code <= modbus.IllegalDataValue {
			notes = append(notes, "a gateway answers so, too, where its rules do not allow the request")
		}
	}
	if !known(function) && function&^exceptionBit != 0 {
		notes = append(notes, fmt.Sprintf("function %d is neither in the standard nor left to makers by it", function&^exceptionBit))
	}
	if r.kind == Either && !modbus.IsUserDefined(function) {
		if function == modbus.ReadCoils || function == modbus.ReadDiscreteInputs {
			notes = append(notes, "the same bytes can be a reply that carries 3 bytes of bits")
		} else if modbus.IsStandard(function) {
			notes = append(notes, "a request and the reply that confirms it are the same")
		}
	}
	if r.framing != modbus.TCP && r.body[0] == modbus.Broadcast && r.kind != Exception {
		notes = append(notes, "no device answers a broadcast")
	}
	if r.framing == modbus.ASCII && !bytes.HasSuffix([]byte(r.text), []byte("\r\n")) {
		notes = append(notes, "on the line an ASCII frame ends with CR LF")
	}
	return notes
}
