package modbus

import "strings"

// The standard's function codes [App 6].
const (
	ReadCoils              byte = 1
	ReadDiscreteInputs     byte = 2
	ReadHoldingRegisters   byte = 3
	ReadInputRegisters     byte = 4
	WriteSingleCoil        byte = 5
	WriteSingleRegister    byte = 6
	ReadExceptionStatus    byte = 7
	Diagnostics            byte = 8
	GetCommEventCounter    byte = 11
	GetCommEventLog        byte = 12
	WriteMultipleCoils     byte = 15
	WriteMultipleRegisters byte = 16
	ReportServerID         byte = 17
	ReadFileRecord         byte = 20
	WriteFileRecord        byte = 21
	MaskWriteRegister      byte = 22
	ReadWriteRegisters     byte = 23
	ReadFIFOQueue          byte = 24
	EncapsulatedInterface  byte = 43
)

// ReadDeviceIdentification is the MEI type of function 43 that every device may be asked.
const ReadDeviceIdentification byte = 14

// Quantity limits per request [App 6].
const (
	MaxReadBits              = 2000
	MaxReadRegisters         = 125
	MaxWriteBits             = 1968
	MaxWriteRegisters        = 123
	MaxReadWriteRead         = 125
	MaxReadWriteWrite        = 121
	MaxFIFO                  = 31
	AddressSpace             = 65536
	coilOn            uint16 = 0xFF00
)

// function is what the specification says of one function code.
type function struct {
	name    string
	write   bool   // changes the device, or may: 08 and 43 count as writes (they can reset or configure)
	request length // of the request PDU
	reply   length // of the normal reply PDU
}

var functions = map[byte]*function{
	ReadCoils:              {name: "read_coils", request: fixed(5), reply: counted(2, 1)},
	ReadDiscreteInputs:     {name: "read_discrete_inputs", request: fixed(5), reply: counted(2, 1)},
	ReadHoldingRegisters:   {name: "read_holding_registers", request: fixed(5), reply: counted(2, 1)},
	ReadInputRegisters:     {name: "read_input_registers", request: fixed(5), reply: counted(2, 1)},
	WriteSingleCoil:        {name: "write_single_coil", write: true, request: fixed(5), reply: fixed(5)},
	WriteSingleRegister:    {name: "write_single_register", write: true, request: fixed(5), reply: fixed(5)},
	ReadExceptionStatus:    {name: "read_exception_status", request: fixed(1), reply: fixed(2)},
	Diagnostics:            {name: "diagnostics", write: true, request: fixed(5), reply: fixed(5)},
	GetCommEventCounter:    {name: "get_comm_event_counter", request: fixed(1), reply: fixed(5)},
	GetCommEventLog:        {name: "get_comm_event_log", request: fixed(1), reply: counted(2, 1)},
	WriteMultipleCoils:     {name: "write_multiple_coils", write: true, request: counted(6, 5), reply: fixed(5)},
	WriteMultipleRegisters: {name: "write_multiple_registers", write: true, request: counted(6, 5), reply: fixed(5)},
	ReportServerID:         {name: "report_server_id", request: fixed(1), reply: counted(2, 1)},
	ReadFileRecord:         {name: "read_file_record", request: counted(2, 1), reply: counted(2, 1)},
	WriteFileRecord:        {name: "write_file_record", write: true, request: counted(2, 1), reply: counted(2, 1)},
	MaskWriteRegister:      {name: "mask_write_register", write: true, request: fixed(7), reply: fixed(7)},
	ReadWriteRegisters:     {name: "read_write_registers", write: true, request: counted(10, 9), reply: counted(2, 1)},
	ReadFIFOQueue:          {name: "read_fifo_queue", request: fixed(3), reply: length{base: 3, count: 1, wide: true}},
	EncapsulatedInterface:  {name: "encapsulated_interface", write: true, request: fixed(4), reply: length{base: -1}},
}

// FunctionName returns the lower-case name of a function code, such as
// "read_input_registers"; "" for a code that the standard does not define.
func FunctionName(code byte) string {
	if f := functions[code]; f != nil {
		return f.name
	}
	return ""
}

// FunctionByName is the inverse of [FunctionName]; it also takes spaces or '-' for '_'.
func FunctionByName(name string) (code byte, ok bool) {
	name = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name))
	for code, f := range functions {
		if f.name == name {
			return code, true
		}
	}
	return 0, false
}

// FunctionNames returns the names of all standard functions, by code.
func FunctionNames() []string {
	var names []string
	for code := byte(1); code < exceptionBit; code++ {
		if f := functions[code]; f != nil {
			names = append(names, f.name)
		}
	}
	return names
}

// IsStandard reports whether the specification defines the function code.
func IsStandard(code byte) bool { return functions[code] != nil }

// IsUserDefined reports whether the code is in the ranges left to vendors [App 5].
func IsUserDefined(code byte) bool { return code >= 65 && code <= 72 || code >= 100 && code <= 110 }

// IsWrite reports whether a function may change the device. Codes that the
// standard does not define count as writes: nobody can know.
func IsWrite(code byte) bool {
	f := functions[code]
	return f == nil || f.write
}
