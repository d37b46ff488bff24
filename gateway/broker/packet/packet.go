// Package packet reads the control packets that MQTT clients send and writes those
// of a server, of MQTT 3.1 (version 3), 3.1.1 (4) and 5. It does no input and output
// and keeps no state: what a packet means in its place is for the broker to judge.
//
// What is malformed by the specification is an [*Error]: reserved bits, strings that
// are not UTF-8, fields beyond the end, properties that are unknown, doubled or out of
// place. Properties that a server passes on unaltered stay one slice of bytes.
package packet

import "fmt"

// Type is a control packet type [MQTT 5, 2.1.2].
type Type byte

// The control packet types.
const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
	AUTH
)

// Protocol versions.
const (
	V31  = 3
	V311 = 4
	V5   = 5
)

// Reason codes of MQTT 5 [MQTT 5, 2.4].
const (
	Success              = 0x00
	DisconnectWithWill   = 0x04
	NoSubscription       = 0x11
	Unspecified          = 0x80
	MalformedPacket      = 0x81
	ProtocolError        = 0x82
	UnsupportedVersion   = 0x84
	BadClientID          = 0x85
	BadCredentials       = 0x86
	NotAuthorized        = 0x87
	ServerBusy           = 0x89
	ServerShuttingDown   = 0x8B
	BadAuthMethod        = 0x8C
	KeepAliveTimeout     = 0x8D
	SessionTakenOver     = 0x8E
	BadFilter            = 0x8F
	BadTopic             = 0x90
	IDInUse              = 0x91
	IDNotFound           = 0x92
	ReceiveMaximum       = 0x93
	BadTopicAlias        = 0x94
	TooLarge             = 0x95
	QuotaExceeded        = 0x97
	AdministrativeAction = 0x98
)

// Error is what is wrong with a packet.
type Error struct {
	Code byte // reason code of MQTT 5
	Text string
}

func (e *Error) Error() string { return e.Text }

func malformed(format string, args ...any) *Error {
	return &Error{MalformedPacket, fmt.Sprintf(format, args...)}
}

func violation(format string, args ...any) *Error {
	return &Error{ProtocolError, fmt.Sprintf(format, args...)}
}

// Packet is a packet from a client. Which fields count depends on the type. Slices
// are parts of the body it was decoded from.
type Packet struct {
	Type       Type
	Dup        bool
	QoS        byte
	Retain     bool
	ID         uint16
	Reason     byte // of PUBACK to PUBCOMP, DISCONNECT and AUTH
	Topic      string
	Payload    []byte
	Filters    []Filter // of SUBSCRIBE and UNSUBSCRIBE
	Connect    *Connect
	Properties Properties
}

// Filter is a topic filter with its subscription options [MQTT 5, 3.8.3.1].
type Filter struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
}

// Connect is the content of a CONNECT packet.
type Connect struct {
	Version   byte
	Clean     bool // clean session, clean start
	KeepAlive uint16
	ClientID  string
	Username  string
	Password  []byte
	Will      *Will
}

// Will is the message to publish when the connection ends without a DISCONNECT.
type Will struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Properties Properties
}
