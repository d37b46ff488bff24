package gateway

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sync"

	"modferry/gateway/bus"
	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// writing is the way of one value into its register: a sequence that nobody's
// transaction comes between. Where only some bits of a register are meant, function
// 22 changes them; a device that does not have it has the register read and written.
//
//	mask or write ----------------> (verify)
//	      \ exception 01 -> read -> write -> (verify)
//	mask
//	      \ silence -> (is it there at all?)
//
// The bus calls its methods one after the other.
type writing struct {
	reading *profile.Reading
	unit    byte
	lacks   *lacking
	request *message.Request // its PDU is the write that was tried last

	data []byte // what the device shall hold, as it sends it
	mask uint16 // the bits of the one register that are meant; 0 = all that data has
	step step
	left bool // a write left, so that the device may have changed

	silence bus.Reply // what became of a function 22 that was not answered
}

// step is what the present transaction is for.
type step uint8

const (
	writingStep step = iota
	readingStep      // the rest of the register, to be kept
	verifyingStep
	askingStep // whether the device answers anything
)

// lacking is what a device turned out not to have, or is known not to have.
type lacking struct {
	has []byte // functions it has, by its profile; nil = not known
	mu  sync.Mutex
	not []byte // functions it answered exception 01 to
}

func (l *lacking) takes(function byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.Contains(l.not, function) && (l.has == nil || slices.Contains(l.has, function))
}

func (l *lacking) add(function byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.not, function) {
		l.not = append(l.not, function)
	}
}

// first returns what the sequence begins with.
func (w *writing) first() modbus.PDU {
	if w.isPart() && !w.lacks.takes(modbus.MaskWriteRegister) {
		w.step = readingStep
		return w.read()
	}
	return w.request.PDU
}

// next takes the reply to one transaction and returns the one after it.
func (w *writing) next(r bus.Reply) (modbus.PDU, bool) {
	good := r.Err == nil && modbus.AsException(r.PDU) == nil
	switch w.step {
	case writingStep:
		w.left = w.left || r.Err == nil || r.Sent
		switch {
		case good && w.reading.Set.Verify:
			w.step = verifyingStep
			return w.read(), true
		case isIllegalFunction(r):
			return w.otherwise()
		case r.Err != nil && r.Sent && w.request.PDU.FunctionCode == modbus.MaskWriteRegister:
			w.step, w.silence = askingStep, r
			return w.read(), true
		}
	case readingStep:
		if now := modbus.Registers(content(r.PDU)); good && len(now) == 1 {
			w.step = writingStep
			w.request.PDU = w.plain(modbus.AppendRegisters(nil, now[0]&^w.mask|w.bits()))
			return w.request.PDU, true
		}
	case askingStep:
		if r.Err == nil { // some devices keep silent where they should answer exception 01
			w.lacks.add(modbus.MaskWriteRegister)
		}
	}
	return modbus.PDU{}, false
}

// otherwise returns what to try where the device does not have the function of a
// write, which therefore did nothing.
func (w *writing) otherwise() (modbus.PDU, bool) {
	tried := w.request.PDU.FunctionCode
	w.lacks.add(tried)
	switch tried {
	case modbus.MaskWriteRegister:
		w.step = readingStep
		return w.read(), true
	case modbus.WriteSingleRegister:
		if values, _ := modbus.Written(w.request.PDU); w.lacks.takes(modbus.WriteMultipleRegisters) {
			w.request.PDU = modbus.WriteRegistersRequest(w.reading.Address, values)
			return w.request.PDU, true
		}
	case modbus.WriteSingleCoil:
		if w.lacks.takes(modbus.WriteMultipleCoils) {
			w.request.PDU = modbus.WriteCoilsRequest(w.reading.Address, modbus.Bits(w.data, 1))
			return w.request.PDU, true
		}
	}
	return modbus.PDU{}, false
}

// write returns the request that writes the value.
func (w *writing) write() modbus.PDU {
	if w.isPart() {
		return modbus.MaskWriteRequest(w.reading.Address, ^w.mask, w.bits())
	}
	return w.plain(w.data)
}

// plain returns the request that writes whole registers or coils: with the function
// for one where there is one, unless the device has only the other.
func (w *writing) plain(data []byte) modbus.PDU {
	address := w.reading.Address
	one := func(single, multiple byte) bool { return w.lacks.takes(single) || !w.lacks.takes(multiple) }
	if w.reading.Table == modbus.Coils {
		on := modbus.Bits(data, w.reading.Quantity())
		if len(on) == 1 && one(modbus.WriteSingleCoil, modbus.WriteMultipleCoils) {
			return modbus.WriteCoilRequest(address, on[0])
		}
		return modbus.WriteCoilsRequest(address, on)
	}
	values := modbus.Registers(data)
	if len(values) == 1 && one(modbus.WriteSingleRegister, modbus.WriteMultipleRegisters) {
		return modbus.WriteRegisterRequest(address, values[0])
	}
	return modbus.WriteRegistersRequest(address, values)
}

// read returns the request that reads the registers or coils of the value.
func (w *writing) read() modbus.PDU {
	return modbus.ReadRequest(w.reading.Table.ReadFunction(), w.reading.Address, uint16(w.reading.Quantity()))
}

// isPart reports whether the register has other bits, too, which are to stay as they are.
func (w *writing) isPart() bool { return w.mask != 0 && w.mask != math.MaxUint16 }

// bits returns the bits that are meant.
func (w *writing) bits() uint16 { return modbus.Registers(w.data)[0] & w.mask }

// content returns the data of a reply to a read.
func content(reply modbus.PDU) []byte { return reply.Data[min(1, len(reply.Data)):] }

func isIllegalFunction(r bus.Reply) bool {
	e := modbus.AsException(r.PDU)
	return r.Err == nil && e != nil && e.ExceptionCode == modbus.IllegalFunction
}

// result turns the last reply of the sequence into what is told about it.
func (w *writing) result(r bus.Reply) message.Result {
	answers := r.Err == nil
	if w.step == askingStep {
		r = w.silence
	}
	said := result(w.request, r)
	switch {
	case w.step == askingStep && answers:
		said.Message = "the device did not answer function 22 (mask_write_register), but answers others: the next time its register is read and written instead"
	case w.step == readingStep:
		said.Outcome = message.Refused
		if said.Code != "" {
			said.Message = "the register cannot be read, so that no other bits of it are changed: " + reasonOf(said, r)
		} else {
			said.Code, said.Message = message.Exception, "the device sent another number of registers than was asked for: nothing was written"
		}
	case w.step == verifyingStep:
		w.verified(&said, r)
	case said.Code == "":
		said.Value = w.held(w.data)
	}
	return said
}

// verified tells what the device holds after a write that it confirmed.
func (w *writing) verified(said *message.Result, r bus.Reply) {
	said.Outcome = message.Done
	switch found := content(r.PDU); {
	case said.Code != "":
		said.Message = "the device confirmed the value, but it could not be read back: " + reasonOf(*said, r)
	case len(found) != len(w.data):
		said.Code, said.Message = message.Exception, "the device confirmed the value, but sent another number of registers when it was read back"
	default:
		if said.Value = w.held(found); !w.same(found) {
			said.Code = message.Exception
			said.Message = fmt.Sprintf("the device confirmed the value, but holds %s and not %s", shownOr(said.Value, "no value"), shownOr(w.held(w.data), "the value"))
		}
	}
}

// same reports whether what was found is what was written, as far as it was meant.
func (w *writing) same(found []byte) bool {
	if w.isPart() {
		return modbus.Registers(found)[0]&w.mask == w.bits()
	}
	return bytes.Equal(found, w.data)
}

// held returns the value in data, nil if there is none.
func (w *writing) held(data []byte) *register.Value {
	v, err := w.reading.Decode(data)
	if err != nil {
		return nil
	}
	return &v
}

func shownOr(v *register.Value, none string) string {
	if v == nil {
		return none
	}
	return v.String()
}

// reasonOf says why a transaction was no good.
func reasonOf(said message.Result, r bus.Reply) string {
	if e := modbus.AsException(r.PDU); r.Err == nil && e != nil {
		return "the device answered " + modbus.ExceptionName(e.ExceptionCode)
	}
	return said.Message
}
