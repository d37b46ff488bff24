package match

import (
	"fmt"

	"modferry/modbus"
)

// Touches returns the spans of a request, none if its length is not that of its function.
func Touches(request modbus.PDU) []modbus.Span {
	var whole [modbus.MaxPDU]byte
	whole[0] = request.FunctionCode
	n := copy(whole[1:], request.Data)
	if !modbus.HasRequestLength(whole[:1+n]) {
		return nil
	}
	return modbus.Spans(request)
}

// Functions returns which functions a word stands for: a code, a name, or the
// group read or write.
func Functions(word string) (codes [128]bool, err error) {
	if word == "read" || word == "write" {
		for code := 1; code < len(codes); code++ {
			codes[code] = modbus.IsWrite(byte(code)) == (word == "write")
		}
		return codes, nil
	}
	if n, err := parseNumber(word); err == nil && n >= 1 && n < len(codes) {
		codes[n] = true
		return codes, nil
	}
	if code, ok := modbus.FunctionByName(word); ok {
		codes[code] = true
		return codes, nil
	}
	return codes, fmt.Errorf("functions %q: expected a code from 1 to 127, a name such as read_coils, read or write", word)
}

var tableNames = map[modbus.Table]string{
	modbus.Coils: "coils", modbus.DiscreteInputs: "discrete", modbus.HoldingRegisters: "holding", modbus.InputRegisters: "input",
}

// TableName returns coils, discrete, holding or input.
func TableName(t modbus.Table) string { return tableNames[t] }

// TableByName is the inverse of [TableName].
func TableByName(name string) (t modbus.Table, ok bool) {
	for t, n := range tableNames {
		if n == name {
			return t, true
		}
	}
	return 0, false
}
