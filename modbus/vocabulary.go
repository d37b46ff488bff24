package modbus

import goburrow "github.com/goburrow/modbus"

// PDU is a protocol data unit: function code and data, at most 253 bytes together.
type PDU = goburrow.ProtocolDataUnit

// Packager wraps a PDU into an ADU of one framing and back; see [Framing.Packager].
type Packager = goburrow.Packager

// Transporter sends one request ADU and returns its reply ADU.
type Transporter = goburrow.Transporter

// Client reads and writes by function; see [NewClient].
type Client = goburrow.Client

// Exception is a device's (or gateway's) answer that it will not do what was asked.
// Its FunctionCode is the request's, without the 0x80 bit.
type Exception = goburrow.ModbusError

// NewClient returns a client that wraps with p and sends with t.
func NewClient(p Packager, t Transporter) Client { return goburrow.NewClient2(p, t) }

// Sizes in bytes.
const (
	MaxPDU   = 253 // [App 4.1]
	MaxRTU   = 256 // unit + PDU + CRC [Serial 2.5.1]
	MaxTCP   = 260 // MBAP header + PDU [TCP 3.1.3]
	MaxASCII = 513 // ':' + 2 x (unit + PDU + LRC) + CR LF [Serial 2.5.2]
)

// Unit ids.
const (
	Broadcast    byte = 0   // every device of a serial line; never answered
	MaxUnit      byte = 247 // last device address of a serial line [Serial 2.2]
	TCPUnit      byte = 255 // the TCP device itself; 0 is accepted too [TCP 4.4.2]
	exceptionBit byte = 0x80
)

// ADU is one frame without its check code: who, and what.
type ADU struct {
	Transaction uint16 // MBAP only, else 0
	Unit        byte
	PDU         PDU
}
