package modbus

import "time"

// SerialTiming returns how long one character is on a serial line, and t3.5, the silence
// between two RTU frames [Serial 2.5.1.1]. bits are those of a whole character, start,
// parity and stop bits included.
func SerialTiming(baud, bits int) (char, silence time.Duration) {
	const fast = 19200
	char = time.Duration(bits) * time.Second / time.Duration(baud)
	if baud > fast {
		return char, 1750 * time.Microsecond
	}
	return char, char * 7 / 2
}
