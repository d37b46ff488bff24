package packet

// Properties are those of MQTT 5 that a server acts on. A field is set if the
// property was there.
type Properties struct {
	SessionExpiry  *uint32 // seconds
	MessageExpiry  *uint32 // seconds
	WillDelay      uint32  // seconds
	ReceiveMaximum uint16  // 0 = none given
	MaximumPacket  uint32  // bytes, 0 = none given
	TopicAlias     bool    // one was given
	SubscriptionID uint32  // 0 = none
	AuthMethod     bool    // one was given
	Forward        []byte  // those of a message that its receivers get as they are, encoded
}

// Property identifiers [MQTT 5, 2.2.2.2].
const (
	propPayloadFormat    = 0x01
	propMessageExpiry    = 0x02
	propContentType      = 0x03
	propResponseTopic    = 0x08
	propCorrelation      = 0x09
	propSubscriptionID   = 0x0B
	propSessionExpiry    = 0x11
	propAssignedClientID = 0x12
	propServerKeepAlive  = 0x13
	propAuthMethod       = 0x15
	propAuthData         = 0x16
	propProblemInfo      = 0x17
	propWillDelay        = 0x18
	propResponseInfo     = 0x19
	propReasonString     = 0x1F
	propReceiveMaximum   = 0x21
	propTopicAliasMax    = 0x22
	propTopicAlias       = 0x23
	propUser             = 0x26
	propMaximumPacket    = 0x27
)

// will stands for the will properties of a CONNECT packet among the packet types.
const will Type = 0

// placed says in which packets of a client a property may be.
func placed(id byte, in Type) bool {
	switch id {
	case propPayloadFormat, propMessageExpiry, propContentType, propResponseTopic, propCorrelation:
		return in == PUBLISH || in == will
	case propTopicAlias:
		return in == PUBLISH
	case propSubscriptionID:
		return in == SUBSCRIBE
	case propSessionExpiry:
		return in == CONNECT || in == DISCONNECT
	case propReceiveMaximum, propMaximumPacket, propTopicAliasMax, propProblemInfo, propResponseInfo:
		return in == CONNECT
	case propAuthMethod, propAuthData:
		return in == CONNECT || in == AUTH
	case propWillDelay:
		return in == will
	case propReasonString:
		return in == PUBACK || in == PUBREC || in == PUBREL || in == PUBCOMP || in == DISCONNECT || in == AUTH
	case propUser:
		return true
	}
	return false
}

// properties reads the properties of a packet [MQTT 5, 2.2.2].
func (r *reader) properties(in Type) (p Properties) {
	block := r.take(int(r.varint()))
	inner := reader{rest: block}
	seen := uint64(0)
	for len(inner.rest) > 0 && inner.err == nil {
		start := inner.rest
		id := inner.byte()
		if !placed(id, in) {
			inner.fail(violation("a property 0x%02X has no place in this packet", id))
			break
		}
		if seen&(1<<id) != 0 && id != propUser {
			inner.fail(violation("property 0x%02X is given twice", id))
		}
		seen |= 1 << id
		inner.property(&p, id)
		if inner.err == nil && forwarded(id) {
			p.Forward = append(p.Forward, start[:len(start)-len(inner.rest)]...)
		}
	}
	if inner.err != nil {
		r.fail(inner.err)
	}
	return p
}

// forwarded says which properties a receiver gets as they are [MQTT 5, 3.3.2.3].
func forwarded(id byte) bool {
	switch id {
	case propPayloadFormat, propContentType, propResponseTopic, propCorrelation, propUser:
		return true
	}
	return false
}

func (r *reader) property(p *Properties, id byte) {
	switch id {
	case propPayloadFormat, propProblemInfo, propResponseInfo:
		r.flag()
	case propMessageExpiry:
		n := r.uint32()
		p.MessageExpiry = &n
	case propContentType, propReasonString:
		r.string()
	case propResponseTopic:
		if t := r.string(); r.err == nil && !ValidTopic(t) {
			r.fail(violation("the response topic has a wildcard or is empty")) // [MQTT-3.3.2-14]
		}
	case propCorrelation, propAuthData:
		r.binary()
	case propSubscriptionID:
		if p.SubscriptionID = r.varint(); p.SubscriptionID == 0 {
			r.fail(violation("the subscription identifier is 0")) // [MQTT 5, 3.8.2.1.2]
		}
	case propSessionExpiry:
		n := r.uint32()
		p.SessionExpiry = &n
	case propAuthMethod:
		r.string()
		p.AuthMethod = true
	case propWillDelay:
		p.WillDelay = r.uint32()
	case propReceiveMaximum:
		if p.ReceiveMaximum = r.uint16(); p.ReceiveMaximum == 0 {
			r.fail(violation("the receive maximum is 0")) // [MQTT 5, 3.1.2.11.3]
		}
	case propMaximumPacket:
		if p.MaximumPacket = r.uint32(); p.MaximumPacket == 0 {
			r.fail(violation("the maximum packet size is 0")) // [MQTT 5, 3.1.2.11.4]
		}
	case propTopicAliasMax:
		r.uint16()
	case propTopicAlias:
		r.uint16()
		p.TopicAlias = true
	case propUser:
		r.string()
		r.string()
	}
}

func (r *reader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.fail(violation("a property that is 0 or 1 is %d", b))
	}
	return b == 1
}
