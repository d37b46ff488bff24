package trace

import (
	"encoding/binary"
	"io"
	"time"

	"modferry/modbus"
)

// Capture writes entries as a packet capture, which packet analysers decode without
// being told how: each frame becomes a segment of a TCP connection to port 502 with the
// frame's Modbus TCP form, whatever line it was on. A frame that is broken is in its
// segment as it was. Source: the libpcap file format.
type Capture struct {
	w       io.Writer
	sent    [2]uint32 // bytes of each direction
	counted uint16    // transactions
}

// Ends of the connection that is made up.
var (
	ourEnd    = [4]byte{10, 0, 0, 1}
	deviceEnd = [4]byte{10, 0, 0, 2}
)

const (
	ourPort    = 50502
	devicePort = 502
	rawIP      = 101 // link type
	mostBytes  = 65535
	ipHeader   = 20
	tcpHeader  = 20
)

// NewCapture writes the head of a file.
func NewCapture(w io.Writer) (*Capture, error) {
	head := binary.LittleEndian.AppendUint32(nil, 0xA1B2C3D4)
	head = binary.LittleEndian.AppendUint16(head, 2) // version
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...) // UTC, and an accuracy that nobody fills in
	head = binary.LittleEndian.AppendUint32(head, mostBytes)
	head = binary.LittleEndian.AppendUint32(head, rawIP)
	_, err := w.Write(head)
	return &Capture{w: w}, err
}

// Add writes the one or two frames of an entry.
func (c *Capture) Add(e Entry) error {
	c.counted++
	err := c.packet(e.Time, 0, c.modbusTCP(e.Framing, e.Request))
	if err == nil && len(e.Reply) > 0 {
		err = c.packet(e.Time.Add(e.Elapsed), 1, c.modbusTCP(e.Framing, e.Reply))
	}
	return err
}

func (c *Capture) modbusTCP(f modbus.Framing, frame []byte) []byte {
	adu, err := f.Parse(frame)
	if err != nil {
		return frame
	}
	adu.Transaction = c.counted
	return modbus.AppendTCP(nil, adu)
}

// packet writes a segment of a direction: 0 is from us.
func (c *Capture) packet(at time.Time, direction int, data []byte) error {
	from, to, ports := ourEnd, deviceEnd, [2]uint16{ourPort, devicePort}
	if direction == 1 {
		from, to, ports = to, from, [2]uint16{devicePort, ourPort}
	}
	size := ipHeader + tcpHeader + len(data)
	b := binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()/1000))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	packet := len(b)

	b = append(b, 0x45, 0) // version 4, 5 words of header
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0) // not in pieces, 64 hops, TCP, checksum
	b = append(append(b, from[:]...), to[:]...)
	binary.BigEndian.PutUint16(b[packet+10:], checksum(b[packet:], 0))

	segment := len(b)
	b = binary.BigEndian.AppendUint16(b, ports[0])
	b = binary.BigEndian.AppendUint16(b, ports[1])
	b = binary.BigEndian.AppendUint32(b, 1+c.sent[direction])
	b = binary.BigEndian.AppendUint32(b, 1+c.sent[1-direction])
	b = append(b, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0) // 5 words of header, PSH and ACK, window, checksum
	b = append(b, data...)
	pseudo := checksum(append(append(append([]byte{}, from[:]...), to[:]...), 0, 6, byte((tcpHeader+len(data))>>8), byte(tcpHeader+len(data))), 0)
	binary.BigEndian.PutUint16(b[segment+16:], checksum(b[segment:], ^pseudo))
	c.sent[direction] += uint32(len(data))
	_, err := c.w.Write(b)
	return err
}

// checksum is that of [RFC 1071], after a sum of what comes before.
func checksum(b []byte, before uint16) uint16 {
	sum := uint32(before)
	for i, v := range b {
		if i%2 == 0 {
			sum += uint32(v) << 8
		} else {
			sum += uint32(v)
		}
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}
