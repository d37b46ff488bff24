package packet

import "encoding/binary"

// Connack is what a server answers to a CONNECT packet.
type Connack struct {
	SessionPresent bool
	Reason         byte // of MQTT 5; older clients get what is nearest
	ClientID       string
	SessionExpiry  *uint32
	ReceiveMaximum uint16
	MaximumPacket  uint32
	Text           string // why it was refused
}

// Append appends the packet.
func (c Connack) Append(dst []byte, version byte) []byte {
	present := byte(0)
	if c.SessionPresent && version != V31 {
		present = 1
	}
	if version != V5 {
		return append(dst, byte(CONNACK)<<4, 2, present, oldReason(c.Reason))
	}
	var p []byte
	if c.SessionExpiry != nil {
		p = binary.BigEndian.AppendUint32(append(p, propSessionExpiry), *c.SessionExpiry)
	}
	if c.ReceiveMaximum > 0 {
		p = binary.BigEndian.AppendUint16(append(p, propReceiveMaximum), c.ReceiveMaximum)
	}
	if c.MaximumPacket > 0 {
		p = binary.BigEndian.AppendUint32(append(p, propMaximumPacket), c.MaximumPacket)
	}
	if c.ClientID != "" {
		p = appendString(append(p, propAssignedClientID), c.ClientID)
	}
	if c.Text != "" {
		p = appendString(append(p, propReasonString), c.Text)
	}
	dst = append(dst, byte(CONNACK)<<4)
	dst = binary.AppendUvarint(dst, uint64(2+sizeOfVarint(len(p))+len(p)))
	dst = append(dst, present, c.Reason)
	return append(binary.AppendUvarint(dst, uint64(len(p))), p...)
}

// oldReason is the return code of MQTT 3.1.1 for a reason [MQTT 3.1.1, 3.2.2.3].
func oldReason(r byte) byte {
	switch r {
	case Success:
		return 0
	case UnsupportedVersion:
		return 1
	case BadClientID:
		return 2
	case ServerBusy, QuotaExceeded, ServerShuttingDown:
		return 3
	}
	return 5
}

// Publish is a message on its way to a client.
type Publish struct {
	Dup, Retain     bool
	QoS             byte
	ID              uint16 // at QoS 1 and 2
	Topic           string
	Payload         []byte
	Expiry          uint32   // seconds left, 0 = never
	SubscriptionIDs []uint32 // ascending
	Forward         []byte   // see [Properties]
}

// Size returns the number of bytes of the whole packet.
func (p *Publish) Size(version byte) int {
	n := p.remaining(version)
	return 1 + sizeOfVarint(n) + n
}

func (p *Publish) remaining(version byte) int {
	n := 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		n += 2
	}
	if version == V5 {
		props := p.properties()
		n += sizeOfVarint(props) + props
	}
	return n
}

func (p *Publish) properties() int {
	n := len(p.Forward)
	if p.Expiry > 0 {
		n += 5
	}
	for _, id := range p.SubscriptionIDs {
		n += 1 + sizeOfVarint(int(id))
	}
	return n
}

// AppendHead appends all of the packet but its payload.
func (p *Publish) AppendHead(dst []byte, version byte) []byte {
	head := byte(PUBLISH)<<4 | p.QoS<<1
	if p.Dup {
		head |= 8
	}
	if p.Retain {
		head |= 1
	}
	dst = binary.AppendUvarint(append(dst, head), uint64(p.remaining(version)))
	dst = appendString(dst, p.Topic)
	if p.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.ID)
	}
	if version != V5 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(p.properties()))
	if p.Expiry > 0 {
		dst = binary.BigEndian.AppendUint32(append(dst, propMessageExpiry), p.Expiry)
	}
	for _, id := range p.SubscriptionIDs {
		dst = binary.AppendUvarint(append(dst, propSubscriptionID), uint64(id))
	}
	return append(dst, p.Forward...)
}

// AppendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP packet. Only MQTT 5 has a reason.
func AppendAck(dst []byte, version byte, t Type, id uint16, reason byte) []byte {
	head := byte(t) << 4
	if t == PUBREL {
		head |= 2
	}
	if version != V5 || reason == Success {
		return binary.BigEndian.AppendUint16(append(dst, head, 2), id)
	}
	return append(binary.BigEndian.AppendUint16(append(dst, head, 3), id), reason)
}

// AppendSuback appends a SUBACK packet with a reason code for each filter.
func AppendSuback(dst []byte, version byte, id uint16, reasons []byte) []byte {
	dst = appendSubHead(dst, version, SUBACK, id, len(reasons))
	for _, r := range reasons {
		if version != V5 && r > 2 {
			r = 0x80 // [MQTT 3.1.1, 3.9.3]
		}
		dst = append(dst, r)
	}
	return dst
}

// AppendUnsuback appends an UNSUBACK packet.
func AppendUnsuback(dst []byte, version byte, id uint16, reasons []byte) []byte {
	if version != V5 {
		reasons = nil
	}
	return append(appendSubHead(dst, version, UNSUBACK, id, len(reasons)), reasons...)
}

func appendSubHead(dst []byte, version byte, t Type, id uint16, reasons int) []byte {
	n := 2 + reasons
	if version == V5 {
		n++
	}
	dst = binary.AppendUvarint(append(dst, byte(t)<<4), uint64(n))
	dst = binary.BigEndian.AppendUint16(dst, id)
	if version == V5 {
		dst = append(dst, 0)
	}
	return dst
}

// AppendPingresp appends a PINGRESP packet.
func AppendPingresp(dst []byte) []byte { return append(dst, byte(PINGRESP)<<4, 0) }

// AppendDisconnect appends a server's DISCONNECT packet, which only MQTT 5 has.
func AppendDisconnect(dst []byte, version, reason byte) []byte {
	if version != V5 {
		return dst
	}
	return append(dst, byte(DISCONNECT)<<4, 2, reason, 0)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func sizeOfVarint(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
