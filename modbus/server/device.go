package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"modferry/modbus"
)

// DeviceOptions say what a device is.
type DeviceOptions struct {
	Spans  []modbus.Span // the addresses that it has
	Guards []Guard

	// Functions are the codes it answers; any other gets exception 01. Nil: all that
	// a Device can, which is 1-6, 8, 15, 16, 22-24, and 17 and 43 if they are given here.
	Functions []byte

	ServerID       []byte          // the data of a reply of function 17 after its byte count: id, run status (0xFF: on), anything
	Identification map[byte]string // objects of function 43/14 by id; 0, 1 and 2 (vendor, product code, revision) are needed
}

// Device is a device as the standard describes it, of any unit: it does not look at
// the unit id. It is safe for concurrent use; each request is one step.
type Device struct {
	mu     sync.RWMutex
	tables *Tables

	functions      [128]bool
	serverID       []byte
	identification identification
	diagnostics    diagnostics
}

// NewDevice returns a device with all tables 0.
func NewDevice(o DeviceOptions) (*Device, error) {
	t, err := NewTables(o.Spans...)
	if err != nil {
		return nil, err
	}
	for _, g := range o.Guards {
		if err := t.guard(g); err != nil {
			return nil, err
		}
	}
	d := &Device{tables: t, serverID: o.ServerID}
	if d.identification, err = newIdentification(o.Identification); err != nil {
		return nil, err
	}
	if len(o.ServerID) > modbus.MaxPDU-2 {
		return nil, fmt.Errorf("a server id of %d bytes: at most %d can be sent", len(o.ServerID), modbus.MaxPDU-2)
	}
	return d, d.allow(o.Functions)
}

func (d *Device) allow(codes []byte) error {
	all := []byte{1, 2, 3, 4, 5, 6, 8, 15, 16, 22, 23, 24}
	if len(d.serverID) > 0 {
		all = append(all, modbus.ReportServerID)
	}
	if len(d.identification.ids) > 0 {
		all = append(all, modbus.EncapsulatedInterface)
	}
	var can [128]bool
	for _, code := range all {
		can[code] = true
	}
	if codes == nil {
		d.functions = can
	}
	for _, code := range codes {
		if code > 127 || !can[code] {
			return fmt.Errorf("the device cannot have function %d: possible are %v", code, all)
		}
		d.functions[code] = true
	}
	return nil
}

// Update changes the tables in one step, past all guards. f must not use the device.
func (d *Device) Update(f func(t *Tables)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d.tables)
}

// View reads the tables in one step. f must not change them nor use the device.
func (d *Device) View(f func(t *Tables)) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	f(d.tables)
}

// Handle answers a request with a reply or an exception. It only keeps silent when
// it was told to (function 8, sub-function 4).
func (d *Device) Handle(_ byte, request modbus.PDU) (modbus.PDU, bool) {
	d.diagnostics.messages.Add(1)
	data, exception := d.execute(request)
	if d.diagnostics.silent(request) {
		return modbus.PDU{}, false
	}
	if exception != 0 {
		d.diagnostics.exceptions.Add(1)
		return modbus.ExceptionPDU(request.FunctionCode, exception), true
	}
	return modbus.PDU{FunctionCode: request.FunctionCode, Data: data}, true
}

// execute goes through the request in the order of the specification's state
// diagrams: function, quantity, address, and then what it is to do [App 6].
func (d *Device) execute(q modbus.PDU) (data []byte, exception byte) {
	if q.FunctionCode > 127 || !d.functions[q.FunctionCode] {
		return nil, modbus.IllegalFunction
	}
	if d.diagnostics.listening.Load() && !isRestart(q) {
		return nil, 0
	}
	if exception := check(q); exception != 0 {
		return nil, exception
	}
	switch q.FunctionCode {
	case modbus.Diagnostics:
		return d.diagnostics.execute(q.Data)
	case modbus.ReportServerID:
		return append([]byte{byte(len(d.serverID))}, d.serverID...), 0
	case modbus.EncapsulatedInterface:
		return d.identification.read(q.Data)
	}
	if !modbus.IsWrite(q.FunctionCode) {
		d.mu.RLock()
		defer d.mu.RUnlock()
		return d.tables.read(q)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tables.change(q)
}

// check returns the exception of a request that the specification does not allow.
// Quantities, byte counts and values come before addresses.
func check(q modbus.PDU) (exception byte) {
	err := modbus.CheckRequest(q)
	if err == nil {
		return 0
	}
	var refused *modbus.RequestError
	if !errors.As(err, &refused) {
		return modbus.IllegalDataValue // the length is not what the request says of itself [App 7, code 03]
	}
	if refused.Exception == modbus.IllegalDataAddress && len(q.Data) >= 2 {
		if exception := check(fromZero(q)); exception != 0 {
			return exception
		}
	}
	return refused.Exception
}

// fromZero returns the same request with every address 0, where no span can be too far up.
func fromZero(q modbus.PDU) modbus.PDU {
	data := append([]byte(nil), q.Data...)
	clear(data[:2])
	if q.FunctionCode == modbus.ReadWriteRegisters {
		clear(data[4:6])
	}
	return modbus.PDU{FunctionCode: q.FunctionCode, Data: data}
}

// read answers functions 1 to 4 and 24. The request was checked.
func (t *Tables) read(q modbus.PDU) (data []byte, exception byte) {
	span := modbus.Spans(q)[0]
	if q.FunctionCode == modbus.ReadFIFOQueue {
		return t.readFIFO(span)
	}
	values := t.slice(span)
	if values == nil {
		return nil, modbus.IllegalDataAddress
	}
	if span.Table.IsBits() {
		return packed(values), 0
	}
	return counted(values), 0
}

// counted returns a byte count and the registers.
func counted(values []uint16) []byte {
	data := make([]byte, 1+2*len(values))
	data[0] = byte(2 * len(values))
	for i, v := range values {
		binary.BigEndian.PutUint16(data[1+2*i:], v)
	}
	return data
}

// packed returns a byte count and the bits.
func packed(values []uint16) []byte {
	n := (len(values) + 7) / 8
	data := make([]byte, 1+n)
	data[0] = byte(n)
	for i, v := range values {
		data[1+i/8] |= byte(v&1) << (i % 8)
	}
	return data
}

// readFIFO reads the count at the pointer address and as many registers after it,
// and leaves them there [App 6.18].
func (t *Tables) readFIFO(pointer modbus.Span) (data []byte, exception byte) {
	count, ok := t.Get(modbus.HoldingRegisters, pointer.Address)
	if !ok {
		return nil, modbus.IllegalDataAddress
	}
	if count > modbus.MaxFIFO {
		return nil, modbus.IllegalDataValue
	}
	pointer.Quantity += int(count)
	values := t.slice(pointer)
	if values == nil {
		return nil, modbus.IllegalDataAddress
	}
	data = binary.BigEndian.AppendUint16(nil, uint16(2*len(values)))
	return modbus.AppendRegisters(data, values...), 0
}

// change answers functions 5, 6, 15, 16, 22 and 23. The request was checked.
func (t *Tables) change(q modbus.PDU) (data []byte, exception byte) {
	spans := modbus.Spans(q)
	for _, s := range spans {
		if t.find(s) == nil {
			return nil, modbus.IllegalDataAddress
		}
	}
	written := spans[len(spans)-1]
	values, known := modbus.Written(q)
	if !known {
		values[0] = t.masked(q.Data)
	}
	if exception := t.write(t.find(written), written.Address, values); exception != 0 {
		return nil, exception
	}
	switch q.FunctionCode {
	case modbus.ReadWriteRegisters: // the write comes first [App 6.17]
		return counted(t.slice(spans[0])), 0
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		return append([]byte(nil), q.Data[:4]...), 0
	}
	return append([]byte(nil), q.Data...), 0
}

// masked returns the register as a mask write would leave it [App 6.16].
func (t *Tables) masked(data []byte) uint16 {
	old, _ := t.Get(modbus.HoldingRegisters, binary.BigEndian.Uint16(data))
	and, or := binary.BigEndian.Uint16(data[2:]), binary.BigEndian.Uint16(data[4:])
	return old&and | or&^and
}
