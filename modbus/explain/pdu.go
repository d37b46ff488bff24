package explain

import (
	"encoding/binary"
	"fmt"

	"modferry/modbus"
)

// pdu writes down what follows the function code [App 6].
func (w *walker) pdu() {
	function := w.r.body[1]
	switch {
	case w.r.kind == Exception:
		w.take(1, "exception", func(b []byte) (string, string) { return number(int(b[0])), modbus.ExceptionName(b[0]) })
	case !modbus.IsStandard(function):
		w.data(w.end-w.at, "data", "only the device's manual can tell")
	case w.r.kind == Answer:
		w.answer(function)
	default:
		w.ask(function)
	}
}

// ask writes down a request, or a confirmation that is the same.
func (w *walker) ask(function byte) {
	switch function {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs, modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
		w.span("address", "quantity", tableOf(function), verbRead)
	case modbus.WriteSingleCoil:
		w.number("address", addressMeaning(modbus.Coils))
		w.take(2, "value", coilMeaning)
		w.coil()
	case modbus.WriteSingleRegister:
		first := w.peek(0)
		w.number("address", addressMeaning(modbus.HoldingRegisters))
		w.register("value", first)
	case modbus.Diagnostics:
		w.number("sub-function", diagnosticName)
		w.data(w.end-w.at, "data", "")
	case modbus.WriteMultipleCoils:
		first, n := w.span("address", "quantity", modbus.Coils, verbWritten)
		w.bits(first, n, w.count())
	case modbus.WriteMultipleRegisters:
		first, _ := w.span("address", "quantity", modbus.HoldingRegisters, verbWritten)
		w.registers(first, w.count()/2)
	case modbus.MaskWriteRegister:
		w.number("address", addressMeaning(modbus.HoldingRegisters))
		w.take(2, "AND mask", maskMeaning("bits that are 1 keep their value"))
		w.take(2, "OR mask", maskMeaning("the value of the other bits"))
	case modbus.ReadWriteRegisters:
		w.span("read from", "read", modbus.HoldingRegisters, verbRead)
		first, _ := w.span("write from", "write", modbus.HoldingRegisters, verbWritten)
		w.registers(first, w.count()/2)
	case modbus.ReadFIFOQueue:
		w.number("address", addressMeaning(modbus.HoldingRegisters))
	case modbus.EncapsulatedInterface:
		w.identification(false)
	case modbus.ReadFileRecord, modbus.WriteFileRecord:
		w.files(function)
	}
}

// answer writes down a reply.
func (w *walker) answer(function byte) {
	switch function {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs:
		first, asked := w.asked()
		n := w.count()
		if asked < 0 {
			asked = 8 * n
		}
		w.bits(first, asked, n)
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		first, _ := w.asked()
		w.registers(first, w.count()/2)
	case modbus.WriteMultipleCoils:
		w.span("address", "quantity", modbus.Coils, verbWritten)
	case modbus.WriteMultipleRegisters:
		w.span("address", "quantity", modbus.HoldingRegisters, verbWritten)
	case modbus.ReadExceptionStatus:
		w.take(1, "status", func(b []byte) (string, string) {
			return fmt.Sprintf("%08b", b[0]), "eight bits whose meaning is the device's own"
		})
	case modbus.GetCommEventCounter:
		w.number("status", statusMeaning)
		w.number("events", func(int) string { return "messages done so far" })
	case modbus.GetCommEventLog:
		w.count()
		w.number("status", statusMeaning)
		w.number("events", func(int) string { return "messages done so far" })
		w.number("messages", func(int) string { return "messages seen on the line" })
		w.data(w.end-w.at, "log", "the latest event first")
	case modbus.ReportServerID:
		w.data(w.count(), "server id", "its form is the device's own")
	case modbus.ReadFIFOQueue:
		w.number("byte count", func(n int) string { return "bytes that follow" })
		w.number("FIFO count", func(n int) string { return fmt.Sprintf("registers in the queue, at most %d", modbus.MaxFIFO) })
		w.registers(-1, modbus.MaxFIFO)
	case modbus.ReadFileRecord:
		w.records()
	case modbus.EncapsulatedInterface:
		w.identification(true)
	default: // the rest repeat their request
		w.ask(function)
	}
}

// span writes an address and a quantity down and returns them.
func (w *walker) span(from, quantity string, table modbus.Table, verb string) (first, n int) {
	first, n = w.peek(0), w.peek(2)
	w.number(from, addressMeaning(table))
	w.number(quantity, func(n int) string { return fmt.Sprintf("%s to be %s", table, verb) })
	return first, n
}

const (
	verbRead    = "read"
	verbWritten = "written"
)

// count writes a byte count down and returns it; there may be fewer bytes.
func (w *walker) count() (n int) {
	w.take(1, "byte count", func(b []byte) (string, string) { n = int(b[0]); return number(n), "bytes that follow" })
	return n
}

// asked returns the span that the request reads, -1 for what is not known.
func (w *walker) asked() (first, quantity int) {
	if w.request == nil || w.request.PDU.FunctionCode != w.r.body[1] {
		return -1, -1
	}
	s := modbus.Spans(w.request.PDU)[0]
	return int(s.Address), s.Quantity
}

func (w *walker) coil() {
	if value := w.r.body[min(4, len(w.r.body)):]; len(value) == 2 && (word(value) == 0xFF00 || word(value) == 0) {
		on := value[0] == 0xFF
		w.values = append(w.values, Value{Address: address(word(w.r.body[2:]), 0), Bit: &on})
	}
}

// files writes the sub-requests of functions 20 and 21 down [App 6.14, 6.15].
func (w *walker) files(function byte) {
	w.count()
	for i := 1; w.at < w.end; i++ {
		before := w.at
		w.take(1, "reference", func(b []byte) (string, string) { return number(int(b[0])), "always 6" })
		w.number("file", func(int) string { return fmt.Sprintf("of record %d here", i) })
		w.number("record", func(int) string { return "its number, the first is 0" })
		n := w.peek(0)
		w.number("length", func(int) string { return "registers of the record" })
		if function == modbus.WriteFileRecord {
			w.registers(-1, n)
		}
		if w.at == before {
			return
		}
	}
}

// records writes the sub-replies of function 20 down.
func (w *walker) records() {
	w.count()
	for w.at < w.end {
		n := int(w.r.raw[w.at])
		w.take(1, "length", func([]byte) (string, string) { return number(n), "bytes of this record" })
		w.take(1, "reference", func(b []byte) (string, string) { return number(int(b[0])), "always 6" })
		w.registers(-1, (n-1)/2)
	}
}

// identification writes function 43 down; only MEI type 14 has a known form [App 6.21].
func (w *walker) identification(reply bool) {
	mei := byte(0)
	w.take(1, "MEI type", func(b []byte) (string, string) { mei = b[0]; return number(int(mei)), meiName(mei) })
	if mei != modbus.ReadDeviceIdentification {
		w.data(w.end-w.at, "data", "only the device's manual can tell")
		return
	}
	w.take(1, "code", func(b []byte) (string, string) { return number(int(b[0])), identificationCode(b[0]) })
	if !reply {
		w.take(1, "object", func(b []byte) (string, string) { return number(int(b[0])), objectName(b[0]) })
		return
	}
	w.take(1, "conformity", func(b []byte) (string, string) { return fmt.Sprintf("%02X", b[0]), "how much the device can tell" })
	w.take(1, "more", func(b []byte) (string, string) { return number(int(b[0])), "255: more objects with the next request" })
	w.take(1, "next object", func(b []byte) (string, string) { return number(int(b[0])), "where the next request goes on" })
	w.take(1, "objects", func(b []byte) (string, string) { return number(int(b[0])), "in this reply" })
	for w.at < w.end {
		name := ""
		w.take(1, "object", func(b []byte) (string, string) { name = objectName(b[0]); return number(int(b[0])), name })
		n := 0
		w.take(1, "length", func(b []byte) (string, string) { n = int(b[0]); return number(n), "bytes of text" })
		w.data(n, "text", name)
	}
}

func coilMeaning(b []byte) (value, meaning string) {
	switch binary.BigEndian.Uint16(b) {
	case 0xFF00:
		return "on", "FF 00 = on"
	case 0:
		return "off", "00 00 = off"
	}
	return "", "only FF 00 (on) and 00 00 (off) are allowed"
}

func maskMeaning(meaning string) func([]byte) (string, string) {
	return func(b []byte) (string, string) { return fmt.Sprintf("%04X", word(b)), meaning }
}
