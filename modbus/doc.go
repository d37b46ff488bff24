// Package modbus is the protocol, pure: frames (ADU), messages (PDU), function
// codes, exceptions and every limit of the specification, without input, output,
// clocks or logging. Packages below it speak to lines (transport), answer as a
// device (server), turn registers into values (register), describe devices
// (profile) and explain frames to people (explain).
//
// The words are the specification's: a client sends a request to a server, which
// is addressed by its unit id; the PDU is the function code and its data; the ADU
// is the PDU wrapped for a line: with a CRC (RTU), as ':' text with an LRC
// (ASCII), or behind an MBAP header (TCP).
//
// The vocabulary is github.com/goburrow/modbus': its PDU, Packager, Transporter,
// Client and exception type are used as they are, so that everything written for
// it works on our transports. This is the only package that imports it.
//
// Sources: "MODBUS Application Protocol Specification V1.1b3" [App], "MODBUS over
// Serial Line V1.02" [Serial], "MODBUS Messaging on TCP/IP Implementation Guide
// V1.0b" [TCP].
package modbus
