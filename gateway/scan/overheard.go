package scan

import (
	"bytes"

	"modferry/modbus"
)

// frames returns the replies to a read of one register or bit, RTU or ASCII, that are
// among bytes, wherever they begin.
func frames(b []byte) []modbus.ADU {
	var found []modbus.ADU
	for at := 0; at < len(b); {
		if adu, n := frame(b[at:]); n > 0 {
			found = append(found, adu)
			at += n
			continue
		}
		at++
	}
	return found
}

// frame returns the frame that b begins with and its length, 0 if there is none.
func frame(b []byte) (adu modbus.ADU, n int) {
	if b[0] == ':' {
		if end := bytes.Index(b, []byte("\r\n")); end > 0 && end < modbus.MaxASCII {
			if adu, err := modbus.ParseASCII(b[:end+2]); err == nil {
				return adu, end + 2
			}
		}
	}
	// An exception, one byte or one register; more than that is hardly an answer here,
	// and the longer what is looked at, the likelier noise has a good CRC somewhere.
	if len(b) < 5 || b[0] < 1 || b[0] > modbus.MaxUnit || b[1]&^0x80 < modbus.ReadCoils || b[1]&^0x80 > modbus.ReadInputRegisters {
		return adu, 0
	}
	size := 5
	if b[1]&0x80 == 0 {
		if size = 5 + int(b[2]); b[2] < 1 || b[2] > 2 || len(b) < size {
			return adu, 0
		}
	}
	adu, err := modbus.ParseRTU(b[:size])
	if err != nil {
		return adu, 0
	}
	return adu, size
}
