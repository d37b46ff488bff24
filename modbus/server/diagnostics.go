package server

import (
	"encoding/binary"
	"sync/atomic"

	"modferry/modbus"
)

// diagnostics are the counters and the state of function 8 [App 6.8].
type diagnostics struct {
	listening  atomic.Bool
	messages   atomic.Uint32
	exceptions atomic.Uint32
	unanswered atomic.Uint32
}

// Sub-functions of function 8 that a Device has.
const (
	returnQuery     = 0
	restart         = 1
	returnRegister  = 2
	listenOnly      = 4
	clearCounters   = 10
	countExceptions = 13
	countMessages   = 14
	countUnanswered = 15
)

func (d *diagnostics) execute(q []byte) (data []byte, exception byte) {
	sub, value := binary.BigEndian.Uint16(q), binary.BigEndian.Uint16(q[2:])
	data = append([]byte(nil), q...) // most replies repeat the request
	switch sub {
	case returnQuery:
		return data, 0
	case restart:
		if value != 0 && value != 0xFF00 {
			return nil, modbus.IllegalDataValue
		}
		d.clear()
		return data, 0
	case returnRegister, listenOnly, clearCounters, countExceptions, countMessages, countUnanswered:
		if value != 0 {
			return nil, modbus.IllegalDataValue
		}
		binary.BigEndian.PutUint16(data[2:], d.ask(sub))
		return data, 0
	}
	return nil, modbus.IllegalFunction // a sub-function that is not there
}

func (d *diagnostics) ask(sub uint16) uint16 {
	switch sub {
	case listenOnly:
		d.listening.Store(true)
	case clearCounters:
		d.clear()
	case countExceptions:
		return uint16(d.exceptions.Load())
	case countMessages:
		return uint16(d.messages.Load())
	case countUnanswered:
		return uint16(d.unanswered.Load())
	}
	return 0
}

func (d *diagnostics) clear() {
	d.messages.Store(0)
	d.exceptions.Store(0)
	d.unanswered.Store(0)
}

// silent reports whether a request gets no reply: the device was told to listen
// only, up to and including the request that ends it.
func (d *diagnostics) silent(q modbus.PDU) bool {
	if !d.listening.Load() {
		return false
	}
	d.unanswered.Add(1)
	if isRestart(q) {
		d.listening.Store(false)
	}
	return true
}

func isRestart(q modbus.PDU) bool {
	return q.FunctionCode == modbus.Diagnostics && len(q.Data) == 4 && binary.BigEndian.Uint16(q.Data) == restart
}
