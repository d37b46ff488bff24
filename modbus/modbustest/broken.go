package modbustest

import (
	"strings"

	"modferry/modbus"
)

// notAllowed returns well-formed requests outside the specification's limits.
func notAllowed() []Case {
	return []Case{
		{Name: "read coils quantity 0", Framing: modbus.RTU, Text: "0101000000003C0A",
			ADU: adu(0, 1, "0100000000"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "read coils quantity 2001", Framing: modbus.RTU, Text: "0101000007D1FE66",
			ADU: adu(0, 1, "01000007D1"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "read registers quantity 0", Framing: modbus.RTU, Text: "01030000000045CA",
			ADU: adu(0, 1, "0300000000"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "read registers quantity 126", Framing: modbus.RTU, Text: "01030000007EC5EA",
			ADU: adu(0, 1, "030000007E"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "read registers beyond the last", Framing: modbus.RTU, Text: "0103FFFF0002C42F",
			ADU: adu(0, 1, "03FFFF0002"), Fault: NotAllowed, Exception: modbus.IllegalDataAddress},
		{Name: "write coil 0001", Framing: modbus.RTU, Text: "0105000000010C0A",
			ADU: adu(0, 1, "0500000001"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "write coils quantity 0", Framing: modbus.RTU, Text: "010F00000000000B3F",
			ADU: adu(0, 1, "0F0000000000"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "write coils wrong byte count", Framing: modbus.RTU, Text: "010F0000000901016E95",
			ADU: adu(0, 1, "0F000000090101"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "write registers quantity 0", Framing: modbus.RTU, Text: "011000000000000950",
			ADU: adu(0, 1, "100000000000"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "write registers wrong byte count", Framing: modbus.RTU, Text: "0110000000010400010002239D",
			ADU: adu(0, 1, "10000000010400010002"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "write registers beyond the last", Framing: modbus.RTU, Text: "0110FFFF00020400010002295E",
			ADU: adu(0, 1, "10FFFF00020400010002"), Fault: NotAllowed, Exception: modbus.IllegalDataAddress},
		{Name: "read/write registers write quantity 0", Framing: modbus.RTU, Text: "0117000000010000000000B386",
			ADU: adu(0, 1, "17000000010000000000"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "read/write registers write beyond the last", Framing: modbus.RTU, Text: "011700000001FFFF00020400010002EDBE",
			ADU: adu(0, 1, "1700000001FFFF00020400010002"), Fault: NotAllowed, Exception: modbus.IllegalDataAddress},
		{Name: "read file record of 6 bytes", Framing: modbus.RTU, Text: "0114060600040001006159",
			ADU: adu(0, 1, "1406060004000100"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
		{Name: "device identification code 5", Framing: modbus.RTU, Text: "012B0E050072B7",
			ADU: adu(0, 1, "2B0E0500"), Fault: NotAllowed, Exception: modbus.IllegalDataValue},
	}
}

// broken returns what is no frame, or a frame with a PDU that is no request.
func broken() []Case {
	return []Case{
		{Name: "RTU wrong CRC", Framing: modbus.RTU, Text: "010400010002200C", Fault: WrongCheck},
		{Name: "RTU swapped CRC", Framing: modbus.RTU, Text: "0104000100020B20", Fault: WrongCheck},
		{Name: "RTU one bit wrong", Framing: modbus.RTU, Text: "010400010003200B", Fault: WrongCheck},
		{Name: "RTU misprinted humidity reply", Framing: modbus.RTU, Text: "0104020222D1BA", Fault: WrongCheck},
		{Name: "RTU truncated request", Framing: modbus.RTU, Text: "01040001000220", Fault: WrongCheck},
		{Name: "RTU without its CRC", Framing: modbus.RTU, Text: "010400010002", Fault: WrongCheck},
		{Name: "RTU one byte too many", Framing: modbus.RTU, Text: "010400010002200BFF", Fault: WrongCheck},
		{Name: "RTU wrong CRC of a TCP look-alike", Framing: modbus.RTU, Text: "010300000002C40C", Fault: WrongCheck},
		{Name: "RTU of three bytes", Framing: modbus.RTU, Text: "010400", Fault: WrongLength},
		{Name: "RTU of no bytes", Framing: modbus.RTU, Text: "", Fault: WrongLength},
		{Name: "RTU of 257 bytes", Framing: modbus.RTU, Text: "0141" + strings.Repeat("00", 253) + "EF2E", Fault: WrongLength},
		// A frame followed by zeros has a good CRC again: only the length tells.
		{Name: "RTU with a zero behind it", Framing: modbus.RTU, Text: "010400010002200B00", Fault: WrongRequest, ADU: adu(0, 1, "040001000220")},
		{Name: "RTU read of 5 bytes", Framing: modbus.RTU, Text: "01040001001960", Fault: WrongRequest, ADU: adu(0, 1, "04000100")},
		{Name: "RTU read of 9 bytes", Framing: modbus.RTU, Text: "010400010002000AD8", Fault: WrongRequest, ADU: adu(0, 1, "040001000200")},
		{Name: "RTU write short of its byte count", Framing: modbus.RTU, Text: "01100001000204000A014352", Fault: WrongRequest, ADU: adu(0, 1, "100001000204000A01")},
		{Name: "RTU read/write without byte count", Framing: modbus.RTU, Text: "011700030006000B03", Fault: WrongRequest, ADU: adu(0, 1, "170003000600")},
		{Name: "RTU diagnostics of an even length", Framing: modbus.RTU, Text: "0108000A0000000950", Fault: WrongRequest, ADU: adu(0, 1, "08000A000000")},
		{Name: "RTU diagnostics other than loopback with two words", Framing: modbus.RTU, Text: "0108000A000000009006", Fault: WrongRequest, ADU: adu(0, 1, "08000A00000000")},
		{Name: "ASCII wrong LRC", Framing: modbus.ASCII, Text: ":010400010002F9", Fault: WrongCheck},
		{Name: "ASCII odd digits", Framing: modbus.ASCII, Text: ":010400010002F", Fault: WrongSyntax},
		{Name: "ASCII not a digit", Framing: modbus.ASCII, Text: ":0104000100G2F8", Fault: WrongSyntax},
		{Name: "ASCII without colon", Framing: modbus.ASCII, Text: "010400010002F8", Fault: WrongSyntax},
		{Name: "ASCII of two bytes", Framing: modbus.ASCII, Text: ":01FF", Fault: WrongLength},
		{Name: "ASCII of 256 bytes", Framing: modbus.ASCII, Text: ":" + strings.Repeat("00", 256), Fault: WrongLength},
		{Name: "TCP protocol id 1", Framing: modbus.TCP, Text: "150100010006FF0300040001", Fault: WrongSyntax},
		{Name: "TCP length 1", Framing: modbus.TCP, Text: "150100000001FF", Fault: WrongSyntax},
		{Name: "TCP length 255", Framing: modbus.TCP, Text: "1501000000FF" + strings.Repeat("01", 255), Fault: WrongSyntax},
		{Name: "TCP truncated", Framing: modbus.TCP, Text: "150100000006FF03000400", Fault: WrongLength},
		{Name: "TCP one byte too many", Framing: modbus.TCP, Text: "150100000006FF030004000100", Fault: WrongLength},
		{Name: "TCP header alone", Framing: modbus.TCP, Text: "1501000000", Fault: WrongLength},
	}
}
