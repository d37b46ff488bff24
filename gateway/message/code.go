package message

import "modferry/modbus"

// Code names what became of a request that has no normal reply.
type Code string

// Codes of payloads that are not a request. They go to the error topic, and to the
// app's response topic if the payload was JSON with an id.
const (
	NotAFrame Code = "not_a_frame"
	BadCRC    Code = "bad_crc" // also a wrong LRC
	BadLength Code = "bad_length"
	BadJSON   Code = "bad_json"
	TooLarge  Code = "too_large"
	Empty     Code = "empty"
	Retained  Code = "retained"
	Broadcast Code = "broadcast" // unit 0 on a serial line that does not allow it, or with a read
	BadUnit   Code = "bad_unit"  // 248 to 255 on a serial line
)

// Codes of requests that were accepted and are answered with an exception.
const (
	Denied      Code = "denied"
	Invalid     Code = "invalid"
	Busy        Code = "busy"
	Expired     Code = "expired"
	Unavailable Code = "unavailable"
	Timeout     Code = "timeout"
	Exception   Code = "exception" // the device's own
)

// exception returns the exception code for an answer that has none of its own, 0 if c is not answered by one.
func (c Code) exception() byte {
	switch c {
	case Denied:
		return modbus.IllegalFunction
	case Invalid:
		return modbus.IllegalDataValue
	case Busy, Expired:
		return modbus.ServerDeviceBusy
	case Unavailable:
		return modbus.GatewayPathUnavailable
	case Timeout:
		return modbus.GatewayTargetNoResponse
	}
	return 0
}

// sentence is the message of an error that was made without one.
func (c Code) sentence() string {
	switch c {
	case Retained:
		return "a retained message is refused: publish the request without retain, and clear the topic with an empty retained message"
	case Denied:
		return "the gateway's rules do not allow this request"
	case Invalid:
		return "the request asks for something the Modbus specification does not allow"
	case Busy:
		return "too many requests are waiting: try again later"
	case Expired:
		return "the request's deadline passed before it could be sent"
	case Unavailable:
		return "the gateway cannot reach the bus: its port is gone or the connection is refused"
	case Timeout:
		return "the device did not answer: check power, wiring, unit id, baud rate and parity"
	}
	return "the request failed: " + string(c)
}

// Outcome is what became of a write.
type Outcome string

// The outcomes of a write. Unknown: it may have reached the device, and will not be sent again.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)
