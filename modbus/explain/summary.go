package explain

import (
	"fmt"
	"strings"

	"modferry/modbus"
)

const shownValues = 8 // values in a summary

// summary says in one sentence what the frame is for.
func (w *walker) summary() string {
	unit, function := w.r.body[0], w.r.body[1]&^exceptionBit
	words := functionWords(function)
	switch {
	case function == 0:
		return "there is no function 0"
	case w.r.kind == Exception && len(w.r.body) > 2:
		code := w.r.body[2]
		return fmt.Sprintf("unit %d refuses function %d (%s): exception %d, %s", unit, function, words, code, modbus.ExceptionName(code))
	case w.r.kind == Exception:
		return fmt.Sprintf("unit %d refuses function %d (%s), the reason is cut off", unit, function, words)
	case w.r.kind == Answer:
		return w.answered(unit, function)
	}
	return w.wanted(unit, function)
}

// answered says what a reply brings.
func (w *walker) answered(unit, function byte) string {
	switch function {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters, modbus.ReadFIFOQueue:
		return fmt.Sprintf("unit %d returns %s%s", unit, plural(len(w.values), tableOf(function)), w.list())
	}
	if modbus.IsWrite(function) && modbus.IsStandard(function) && function != modbus.Diagnostics && function != modbus.EncapsulatedInterface {
		return fmt.Sprintf("unit %d has done it: %s", unit, functionWords(function))
	}
	return fmt.Sprintf("unit %d answers function %d (%s)", unit, function, functionWords(function))
}

// list returns ": 305, 546" with the first values.
func (w *walker) list() string {
	var values []string
	for _, v := range w.values[:min(len(w.values), shownValues)] {
		switch {
		case v.Bit != nil && *v.Bit:
			values = append(values, "on")
		case v.Bit != nil:
			values = append(values, "off")
		case *v.Int16 < 0:
			values = append(values, fmt.Sprintf("%d (or %d)", *v.Uint16, *v.Int16))
		default:
			values = append(values, fmt.Sprint(*v.Uint16))
		}
	}
	if len(w.values) > shownValues {
		values = append(values, "...")
	}
	if len(values) == 0 {
		return ""
	}
	return ": " + strings.Join(values, ", ")
}

// wanted says what a request asks for.
func (w *walker) wanted(unit, function byte) string {
	where := fmt.Sprintf("of unit %d", unit)
	if unit == modbus.Broadcast && w.r.framing != modbus.TCP {
		where = "of all devices on the line"
	}
	pdu := modbus.PDU{FunctionCode: function, Data: w.r.body[2:]}
	if !modbus.HasRequestLength(w.r.body[1:]) || len(modbus.Spans(pdu)) == 0 || function == modbus.ReadFIFOQueue {
		return fmt.Sprintf("function %d (%s) %s", function, functionWords(function), where)
	}
	var parts []string
	for _, s := range modbus.Spans(pdu) {
		verb := "read"
		if s.Write {
			verb = "write"
		}
		parts = append(parts, fmt.Sprintf("%s %s from address %d", verb, plural(s.Quantity, s.Table), s.Address))
	}
	switch function {
	case modbus.WriteSingleCoil, modbus.WriteSingleRegister:
		return fmt.Sprintf("write%s to %s %d %s", strings.TrimPrefix(w.list(), ":"), strings.TrimPrefix(plural(1, tableOf(function)), "1 "), word(pdu.Data), where)
	case modbus.MaskWriteRegister:
		return fmt.Sprintf("change some bits of holding register %d %s", word(pdu.Data), where)
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		return parts[0] + " " + where + w.list()
	case modbus.ReadWriteRegisters:
		return parts[1] + " " + where + w.list() + ", then " + parts[0]
	}
	return parts[0] + " " + where
}
