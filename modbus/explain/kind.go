package explain

import "modferry/modbus"

// known reports whether a function code, with or without the exception bit, means something.
func known(function byte) bool {
	function &^= exceptionBit
	return modbus.IsStandard(function) || modbus.IsUserDefined(function)
}

// kindOf tells who sent a PDU. With a known request it is what answers it.
func kindOf(pdu []byte, request *modbus.ADU) Kind {
	if pdu[0]&exceptionBit != 0 {
		return Exception
	}
	if request != nil {
		return Answer
	}
	asRequest, asReply := modbus.HasRequestLength(pdu), modbus.ReplyLength(modbus.PDU{}, pdu)
	switch {
	case asRequest && (asReply == len(pdu) || asReply == modbus.Open):
		return kindOfBoth(pdu)
	case asRequest:
		return Request
	case asReply == len(pdu) && !empty(pdu):
		return Answer
	}
	return likelier(pdu)
}

// kindOfBoth looks at the content of a PDU whose length fits requests and replies.
func kindOfBoth(pdu []byte) Kind {
	allowed := modbus.CheckRequest(modbus.PDU{FunctionCode: pdu[0], Data: pdu[1:]}) == nil
	switch pdu[0] {
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
		return Request // as a reply it would carry one and a half registers
	case modbus.ReadCoils, modbus.ReadDiscreteInputs:
		if !allowed {
			return Answer
		}
	case modbus.ReadWriteRegisters:
		if !allowed {
			return Answer
		}
		return Request
	case modbus.ReadFileRecord:
		if !isFileRequest(pdu[2:]) && isFileReply(pdu[2:]) {
			return Answer
		}
		return Request
	}
	return Either
}

// empty reports a reply to a read that carries nothing: more likely the beginning of a request.
func empty(pdu []byte) bool {
	return pdu[0] <= modbus.ReadInputRegisters && pdu[1] == 0
}

// isFileReply: records of a length, reference type 6 and their registers [App 6.14].
func isFileReply(b []byte) bool {
	for len(b) >= 2 && b[1] == 6 && len(b) > int(b[0]) {
		b = b[1+int(b[0]):]
	}
	return len(b) == 0
}

// isFileRequest: sub-requests of 7 bytes, each with reference type 6 [App 6.14].
func isFileRequest(b []byte) bool {
	for ; len(b) >= 7; b = b[7:] {
		if b[0] != 6 {
			return false
		}
	}
	return len(b) == 0
}

// likelier decides for a PDU that fits neither.
func likelier(pdu []byte) Kind {
	if pdu[0] > modbus.ReadInputRegisters || len(pdu) < 2 || pdu[1] == 0 {
		return Request
	}
	missing := func(n int) int { return max(n-len(pdu), len(pdu)-n) }
	if missing(2+int(pdu[1])) < missing(5) {
		return Answer
	}
	return Request
}

// needed returns the length of a PDU of its kind, [modbus.More] or [modbus.Open].
func needed(pdu []byte, kind Kind, request *modbus.ADU) int {
	switch kind {
	case Exception:
		return 2
	case Answer:
		var asked modbus.PDU
		if request != nil && request.PDU.FunctionCode == pdu[0] {
			asked = request.PDU
		}
		return modbus.ReplyLength(asked, pdu)
	}
	if modbus.HasRequestLength(pdu) {
		return len(pdu)
	}
	return modbus.RequestLength(pdu)
}

// exact reports whether a PDU has a known length, and has it.
func exact(pdu []byte, kind Kind, request *modbus.ADU) bool {
	if kind != Exception && kind != Answer {
		return modbus.RequestLength(pdu) == len(pdu)
	}
	return needed(pdu, kind, request) == len(pdu)
}

// exactRTU reports whether raw has the length of an RTU frame of its function.
func exactRTU(raw []byte, request *modbus.ADU) bool {
	if len(raw) < 4 {
		return false
	}
	pdu := raw[1 : len(raw)-2]
	for _, n := range lengths(pdu, request) {
		if n == len(pdu) && known(pdu[0]) {
			return true
		}
	}
	return false
}

// lengths returns how long the PDU at the beginning of b can be.
func lengths(b []byte, request *modbus.ADU) []int {
	reply := needed(b, Answer, request)
	if b[0]&exceptionBit != 0 {
		return []int{2}
	}
	if request != nil {
		return []int{reply}
	}
	if len(b) > 1 && empty(b) {
		return []int{modbus.RequestLength(b)}
	}
	return []int{modbus.RequestLength(b), reply}
}
