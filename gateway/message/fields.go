package message

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"modferry/modbus"
)

// fromFields takes a request given by unit, function and what the function needs.
func fromFields(m members) (*Request, *Error) {
	function, fault := m.function()
	if fault != nil {
		return nil, fault
	}
	a := modbus.ADU{}
	if a.Unit, fault = m.unit(); fault == nil {
		fault = m.checkFields(function)
	}
	if fault == nil {
		a.PDU, fault = m.pdu(function)
	}
	if fault != nil {
		fault.write = modbus.IsWrite(function)
		return nil, fault
	}
	return &Request{ADU: a, Framing: modbus.RTU}, nil
}

func (m members) function() (byte, *Error) {
	raw := m[keyFunction]
	if raw == nil {
		return 0, badJSON(`"function" is missing: give "function", "unit" and "address", or a whole "frame"`)
	}
	if raw[0] != '"' {
		n, fault := m.whole(keyFunction)
		if fault == nil && (n < 1 || n > 127) {
			fault = misfit(modbus.IllegalFunction, `"function" is %s: functions are 1 to 127`, raw)
		}
		return byte(n), fault
	}
	var name string
	_ = json.Unmarshal(raw, &name) // the decoder has checked it
	code, ok := modbus.FunctionByName(name)
	if !ok {
		return 0, badJSON(`"function" %s is not known: give its number, or a name such as "read_input_registers"`, raw)
	}
	return code, nil
}

func (m members) unit() (byte, *Error) {
	if !m.has(keyUnit) {
		return 0, badJSON(`"unit" is missing: it is the device's address, 1 to 247`)
	}
	n, fault := m.whole(keyUnit)
	if fault == nil && (n < 0 || n > math.MaxUint8) {
		fault = &Error{Code: BadUnit, Message: `"unit" is ` + string(m[keyUnit]) + ": units are 0 to 255"}
	}
	return byte(n), fault
}

// checkFields refuses missing keys, and keys that would be ignored.
func (m members) checkFields(function byte) *Error {
	must, may := standardFields(function)
	name := functionName(function)
	if must == nil {
		return badJSON(`%s cannot be given by fields: give the whole frame as hex digits in "frame"`, name)
	}
	for _, key := range must {
		if !m.has(key) {
			return badJSON("%q is missing: %s needs it", key, name)
		}
	}
	for _, key := range []string{keyAddress, keyQuantity, keyValues, keyWriteAddress} {
		if m.has(key) && !slices.Contains(must, key) && !slices.Contains(may, key) {
			return badJSON("%q does not belong to %s", key, name)
		}
	}
	return nil
}

// pdu builds the request; the keys are those of the function.
func (m members) pdu(function byte) (modbus.PDU, *Error) {
	address, fault := m.word(keyAddress, modbus.IllegalDataAddress, 0)
	if fault != nil {
		return modbus.PDU{}, fault
	}
	switch function {
	case modbus.WriteSingleCoil, modbus.WriteMultipleCoils:
		return m.coilsPDU(function, address)
	case modbus.WriteSingleRegister, modbus.WriteMultipleRegisters, modbus.MaskWriteRegister, modbus.ReadWriteRegisters:
		return m.registersPDU(function, address)
	case modbus.ReadFIFOQueue:
		return modbus.PDU{FunctionCode: function, Data: modbus.AppendRegisters(nil, address)}, nil
	}
	quantity, fault := m.word(keyQuantity, modbus.IllegalDataValue, 1)
	return modbus.ReadRequest(function, address, quantity), fault
}

func (m members) coilsPDU(function byte, address uint16) (modbus.PDU, *Error) {
	values, fault := collect(m, coilValue)
	if fault == nil {
		fault = m.checkCount(function, len(values))
	}
	switch {
	case fault != nil:
		return modbus.PDU{}, fault
	case function == modbus.WriteSingleCoil:
		return modbus.WriteCoilRequest(address, values[0]), nil
	}
	return modbus.WriteCoilsRequest(address, values), nil
}

func (m members) registersPDU(function byte, address uint16) (modbus.PDU, *Error) {
	values, fault := collect(m, registerValue)
	if fault == nil {
		fault = m.checkCount(function, len(values))
	}
	if fault != nil {
		return modbus.PDU{}, fault
	}
	switch function {
	case modbus.WriteSingleRegister:
		return modbus.WriteRegisterRequest(address, values[0]), nil
	case modbus.WriteMultipleRegisters:
		return modbus.WriteRegistersRequest(address, values), nil
	case modbus.MaskWriteRegister:
		return modbus.MaskWriteRequest(address, values[0], values[1]), nil
	}
	write, fault := m.word(keyWriteAddress, modbus.IllegalDataAddress, 0)
	if fault != nil {
		return modbus.PDU{}, fault
	}
	quantity, fault := m.word(keyQuantity, modbus.IllegalDataValue, 1)
	return modbus.ReadWriteRequest(address, quantity, write, values), fault
}

// checkCount refuses a number of values that the function's frame has no room for, or another than "quantity" says.
func (m members) checkCount(function byte, n int) *Error {
	switch function {
	case modbus.WriteSingleCoil, modbus.WriteSingleRegister:
		if n != 1 {
			return misfit(modbus.IllegalDataValue, `"values" has %d values: %s writes one; functions 15 and 16 write several`, n, functionName(function))
		}
	case modbus.MaskWriteRegister:
		if n != 2 {
			return misfit(modbus.IllegalDataValue, `"values" has %d values: %s takes two, the AND and the OR mask`, n, functionName(function))
		}
	case modbus.WriteMultipleCoils:
		return m.checkRoom(function, n, modbus.MaxWriteBits)
	case modbus.WriteMultipleRegisters:
		return m.checkRoom(function, n, modbus.MaxWriteRegisters)
	case modbus.ReadWriteRegisters:
		if n > modbus.MaxReadWriteWrite {
			return misfit(modbus.IllegalDataValue, `"values" has %d values: %s writes at most %d`, n, functionName(function), modbus.MaxReadWriteWrite)
		}
	}
	return nil
}

func (m members) checkRoom(function byte, n, most int) *Error {
	if n > most {
		return misfit(modbus.IllegalDataValue, `"values" has %d values: %s writes at most %d`, n, functionName(function), most)
	}
	quantity, fault := m.word(keyQuantity, modbus.IllegalDataValue, uint16(n))
	if fault == nil && int(quantity) != n {
		fault = badJSON(`"quantity" is %d and "values" has %d values: leave "quantity" out`, quantity, n)
	}
	return fault
}

// word returns the number of key, 0 to 65535, or otherwise if it is not given.
func (m members) word(key string, exception byte, otherwise uint16) (uint16, *Error) {
	if !m.has(key) {
		return otherwise, nil
	}
	n, fault := m.whole(key)
	if fault == nil && (n < 0 || n > math.MaxUint16) {
		fault = misfit(exception, "%q is %s: it must be 0 to 65535", key, m[key])
	}
	return uint16(n), fault
}

// collect returns "values" as a list; one value may stand without brackets.
func collect[T any](m members, one func(json.RawMessage) (T, *Error)) ([]T, *Error) {
	list := []json.RawMessage{m[keyValues]}
	if m[keyValues][0] == '[' {
		_ = json.Unmarshal(m[keyValues], &list) // the decoder has checked it
	}
	values := make([]T, 0, len(list))
	for _, raw := range list {
		v, fault := one(raw)
		if fault != nil {
			return nil, fault
		}
		values = append(values, v)
	}
	return values, nil
}

// registerValue reads a register's value; negative ones are the upper half of its range.
func registerValue(raw json.RawMessage) (uint16, *Error) {
	n, fault := wholeNumber(keyValues, raw)
	if fault == nil && (n < math.MinInt16 || n > math.MaxUint16) {
		fault = misfit(modbus.IllegalDataValue, `"values" has %s: a register holds -32768 to 65535`, raw)
	}
	return uint16(n), fault
}

func coilValue(raw json.RawMessage) (bool, *Error) {
	switch string(raw) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	if _, fault := wholeNumber(keyValues, raw); fault == nil {
		return false, misfit(modbus.IllegalDataValue, `"values" has %s: a coil is true or false (1 or 0)`, raw)
	}
	return false, badJSON(`"values" has %s: a coil is true or false (1 or 0)`, raw)
}

// wholeNumber reads a JSON number; one beyond 64 bits becomes the nearest that is not.
func wholeNumber(key string, raw json.RawMessage) (int64, *Error) {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, badJSON("%q must be a whole number, not %s", key, raw)
	}
	if bytes.ContainsAny(raw, ".eE") {
		return 0, badJSON("%q must be a whole number without fraction or exponent, not %s", key, raw)
	}
	n, _ := strconv.ParseInt(string(raw), 10, 64)
	return n, nil
}

// misfit is the answer to a value that fits no frame.
func misfit(exception byte, format string, args ...any) *Error {
	fault := badJSON(format, args...)
	fault.Code, fault.Exception = Invalid, exception
	return fault
}
