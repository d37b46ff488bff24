package modbus

import goburrow "github.com/goburrow/modbus"

// Exception codes [App 7].
const (
	IllegalFunction         byte = goburrow.ExceptionCodeIllegalFunction
	IllegalDataAddress      byte = goburrow.ExceptionCodeIllegalDataAddress
	IllegalDataValue        byte = goburrow.ExceptionCodeIllegalDataValue
	ServerDeviceFailure     byte = goburrow.ExceptionCodeServerDeviceFailure
	Acknowledge             byte = goburrow.ExceptionCodeAcknowledge
	ServerDeviceBusy        byte = goburrow.ExceptionCodeServerDeviceBusy
	NegativeAcknowledge     byte = 7
	MemoryParityError       byte = goburrow.ExceptionCodeMemoryParityError
	GatewayPathUnavailable  byte = goburrow.ExceptionCodeGatewayPathUnavailable
	GatewayTargetNoResponse byte = goburrow.ExceptionCodeGatewayTargetDeviceFailedToRespond
)

var exceptions = map[byte]struct{ name, hint string }{
	IllegalFunction:         {"illegal function", "the device does not have this function"},
	IllegalDataAddress:      {"illegal data address", "the device has no such register or coil; check the address (many manuals count from 1, frames count from 0) and the quantity"},
	IllegalDataValue:        {"illegal data value", "the value or quantity is outside what is allowed"},
	ServerDeviceFailure:     {"server device failure", "the device failed while doing it; look at the device itself"},
	Acknowledge:             {"acknowledge", "the device accepted the request and needs time; ask again later"},
	ServerDeviceBusy:        {"server device busy", "the device or the gateway's queue is busy; try again later"},
	NegativeAcknowledge:     {"negative acknowledge", "the device cannot do this program function"},
	MemoryParityError:       {"memory parity error", "the device found its extended memory corrupted"},
	GatewayPathUnavailable:  {"gateway path unavailable", "the gateway cannot reach the line: its port is gone or the connection is refused"},
	GatewayTargetNoResponse: {"gateway target device failed to respond", "no device answered: check power, wiring, unit id, baud rate and parity"},
}

// ExceptionName returns the specification's name of an exception code, "unknown exception" if it has none.
func ExceptionName(code byte) string {
	if e, ok := exceptions[code]; ok {
		return e.name
	}
	return "unknown exception"
}

// ExceptionHint says in a sentence's worth of plain words what an exception means and what to look at.
func ExceptionHint(code byte) string {
	if e, ok := exceptions[code]; ok {
		return e.hint
	}
	return "the code is the device maker's own; see the device's manual"
}

// ExceptionPDU returns the reply PDU that says exception code to a request of function.
func ExceptionPDU(function, code byte) PDU {
	return PDU{FunctionCode: function | exceptionBit, Data: []byte{code}}
}

// AsException returns the exception that a reply PDU carries, nil if it is a normal reply.
func AsException(reply PDU) *Exception {
	if reply.FunctionCode&exceptionBit == 0 || len(reply.Data) == 0 {
		return nil
	}
	return &Exception{FunctionCode: reply.FunctionCode &^ exceptionBit, ExceptionCode: reply.Data[0]}
}
