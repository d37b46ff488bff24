// Package message is what apps write and read: MQTT payloads as Modbus requests
// and back, and the topics they travel on. It is pure: bytes in, values out; no
// connection, no clock, no rules about who may do what.
//
// [Decode] takes a payload in any of the forms that apps use and returns the one
// [Request] in it, or an [*Error] for the error topic. A request remembers how it
// was written, so that [Request.Reply] answers in the same form, framing and style.
//
// Telling payloads apart, in this order:
//
//  1. a good CRC, a standard function and its length: binary RTU
//  2. a strict MBAP header (protocol 0, exact length) and a standard function other
//     than 7, 8, 11, 12 and 17: binary TCP
//  3. a good CRC, a function left to vendors, and not all of it text: binary RTU
//  4. text that begins with '{' or '[': JSON
//  5. hex text: its bytes by 1 and 2, or any function with a good CRC, or bare unit
//     and PDU of exactly the length of their function; ':' in front: ASCII framing
//  6. bytes that are no text: bare unit and PDU of exactly the length of their function
//  7. anything else is an error that says what it looks like
//
// The CRC goes first because an RTU request can also be a well-formed MBAP header.
// No standard function code is a hex digit, a separator or what follows the brace
// of an object, so binary frames and text are never mistaken for one another.
// A wrong check code is refused, never repaired.
//
// Limits: a payload has at most [MaxPayload] bytes, an id at most 128.
package message
