package poll

import (
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
)

// How long a device is taken to think before it answers, where a plan is weighed or
// the load of a line foretold: what most devices need, for want of measuring it.
const (
	serialResponse  = 10 * time.Millisecond
	networkResponse = 5 * time.Millisecond
)

// Line is what a transaction costs on a bus.
type Line struct {
	Framing  modbus.Framing
	Char     time.Duration // one character on the wire; 0 where bytes cost next to nothing, which is a network
	Silence  time.Duration // t3.5, or what the configuration has instead
	Delay    time.Duration // the quiet time between transactions, and switching the line's direction
	Response time.Duration // assumed: from the request to its reply
}

// LineOf returns the line of a bus. The speed of a serial line behind a TCP port is
// not known: such a line counts as a network.
func LineOf(b config.Bus) Line {
	s := b.Serial
	if s == nil {
		l := Line{Framing: modbus.TCP, Delay: b.Delay, Response: networkResponse}
		if b.TCP != nil {
			l.Framing = b.TCP.Framing
		}
		return l
	}
	bits := 1 + s.DataBits + s.StopBits
	if s.Parity != "none" && s.Parity != "" {
		bits++
	}
	l := Line{Framing: s.Mode, Delay: b.Delay, Response: serialResponse}
	l.Char, l.Silence = modbus.SerialTiming(max(1, s.Baud), bits)
	if s.RS485 != nil {
		l.Delay += s.RS485.DelayBefore + s.RS485.DelayAfter
	}
	switch {
	case s.Mode == modbus.ASCII: // its frames have an end of their own
		l.Silence = 0
	case s.FrameGap > 0:
		l.Silence = s.FrameGap
	}
	return l
}

// Bytes returns how many bytes the request of a read and its reply have on the line.
func (l Line) Bytes(t modbus.Table, quantity int) (request, reply int) {
	data := 2 * quantity
	if t.IsBits() {
		data = (quantity + 7) / 8
	}
	return l.Framing.Size(5), l.Framing.Size(2 + data)
}

// Time returns how long a read keeps the line: request, silence, the device's
// response time, reply, silence, delay.
func (l Line) Time(t modbus.Table, quantity int) time.Duration {
	request, reply := l.Bytes(t, quantity)
	return time.Duration(request+reply)*l.Char + 2*l.Silence + l.Response + l.Delay
}
