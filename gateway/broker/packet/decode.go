package packet

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Decode reads a packet of a client that connected with version. The first byte of
// its fixed header is header, and body all that follows the length. For a CONNECT
// packet version does not count.
func Decode(version, header byte, body []byte) (Packet, error) {
	p := Packet{Type: Type(header >> 4)}
	r := &reader{rest: body}
	if flags := header & 15; p.Type != PUBLISH && !goodFlags(p.Type, flags, version) {
		return p, malformed("reserved bits are set in the header 0x%02X", header) // [MQTT-2.1.3-1]
	}
	switch p.Type {
	case CONNECT:
		r.connect(&p)
	case PUBLISH:
		p.Dup, p.QoS, p.Retain = header&8 != 0, header>>1&3, header&1 != 0
		r.publish(&p, version)
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		p.ID = r.id()
		r.reason(&p, version)
	case SUBSCRIBE, UNSUBSCRIBE:
		r.subscribe(&p, version)
	case PINGREQ:
	case DISCONNECT:
		r.reason(&p, version)
	case AUTH:
		if version != V5 {
			return p, violation("AUTH is not known in this version")
		}
		r.reason(&p, version)
	default:
		return p, violation("packet type %d is not for a client to send", p.Type)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.fail(malformed("%d bytes follow the end of the packet", len(r.rest)))
	}
	if r.err != nil {
		return p, r.err
	}
	return p, nil
}

func goodFlags(t Type, flags, version byte) bool {
	switch t {
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		return flags == 2 || version == V31 && flags&^8 == 2 // there the repetition of a packet is marked
	}
	return flags == 0
}

func (r *reader) connect(p *Packet) {
	c := &Connect{}
	p.Connect = c
	name := string(r.binary())
	c.Version = r.byte()
	if r.err != nil {
		return
	}
	if !(name == "MQIsdp" && c.Version == V31 || name == "MQTT" && (c.Version == V311 || c.Version == V5)) {
		r.fail(&Error{UnsupportedVersion, "the protocol is none of MQTT 3.1, 3.1.1 and 5"})
		return
	}
	flags := r.byte()
	c.KeepAlive = r.uint16()
	c.Clean = flags&2 != 0
	if flags&1 != 0 { // [MQTT-3.1.2-3]
		r.fail(malformed("a reserved connect flag is set"))
	}
	if c.Version == V5 {
		p.Properties = r.properties(CONNECT)
	}
	c.ClientID = r.string()
	r.will(c, flags)
	if flags&0x80 != 0 {
		c.Username = r.string()
	}
	if flags&0x40 != 0 {
		c.Password = r.binary()
	}
}

func (r *reader) will(c *Connect, flags byte) {
	qos := flags >> 3 & 3
	if flags&4 == 0 {
		if flags&0x38 != 0 { // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
			r.fail(malformed("there are flags of a will, but no will"))
		}
		return
	}
	if qos > 2 {
		r.fail(malformed("the will has QoS 3"))
	}
	w := &Will{QoS: qos, Retain: flags&0x20 != 0}
	if c.Version == V5 {
		w.Properties = r.properties(will)
	}
	w.Topic = r.string()
	w.Payload = r.binary()
	c.Will = w
}

func (r *reader) publish(p *Packet, version byte) {
	if p.QoS > 2 {
		r.fail(malformed("QoS 3")) // [MQTT-3.3.1-4]
	}
	p.Topic = r.string()
	if p.QoS > 0 {
		p.ID = r.id()
	}
	if version == V5 {
		p.Properties = r.properties(PUBLISH)
	}
	if r.err == nil && !p.Properties.TopicAlias && !ValidTopic(p.Topic) {
		r.fail(&Error{BadTopic, "a message's topic has a wildcard or is empty"}) // [MQTT-3.3.2-2]
	}
	p.Payload, r.rest = r.rest, nil
}

// reason reads the reason code and properties that MQTT 5 has at the end of a packet, if it has them.
func (r *reader) reason(p *Packet, version byte) {
	if version != V5 || len(r.rest) == 0 {
		return
	}
	p.Reason = r.byte()
	if len(r.rest) > 0 {
		p.Properties = r.properties(p.Type)
	}
}

func (r *reader) subscribe(p *Packet, version byte) {
	p.ID = r.id()
	if version == V5 {
		p.Properties = r.properties(p.Type)
	}
	if r.err == nil && len(r.rest) == 0 {
		r.fail(violation("there is no topic filter")) // [MQTT-3.8.3-2]
	}
	for len(r.rest) > 0 && r.err == nil {
		f := Filter{Filter: r.string()}
		if p.Type == SUBSCRIBE {
			options := r.byte()
			f.QoS = options & 3
			f.NoLocal, f.RetainAsPublished, f.RetainHandling = options&4 != 0, options&8 != 0, options>>4&3
			if f.QoS > 2 || f.RetainHandling > 2 || options&0xC0 != 0 || version != V5 && options&^3 != 0 {
				r.fail(malformed("the options of a subscription are 0x%02X", options)) // [MQTT-3.8.3-5]
			}
		}
		if len(p.Filters) == maxFilters {
			r.fail(&Error{QuotaExceeded, "there are too many topic filters in one packet"})
		}
		p.Filters = append(p.Filters, f)
	}
}

// maxFilters is how many topic filters one packet may have: each takes more memory than on the wire.
const maxFilters = 4096

// ValidTopic reports whether a message may have this topic.
func ValidTopic(t string) bool { return t != "" && !strings.ContainsAny(t, "+#") }

// reader reads field after field; after the first error nothing more.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.rest) {
		r.fail(malformed("a field goes beyond the end of the packet"))
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// varint reads a variable byte integer [MQTT 5, 1.5.5].
func (r *reader) varint() uint32 {
	var n uint32
	for shift := 0; shift <= 21; shift += 7 {
		b := r.byte()
		n |= uint32(b&0x7F) << shift
		if b&0x80 == 0 {
			return n
		}
	}
	r.fail(malformed("a number has more than four bytes"))
	return 0
}

func (r *reader) binary() []byte { return r.take(int(r.uint16())) }

func (r *reader) string() string {
	b := r.binary()
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 { // [MQTT-1.5.4-1] [MQTT-1.5.4-2]
		r.fail(malformed("a text is not UTF-8, or holds a zero"))
		return ""
	}
	return string(b)
}

func (r *reader) id() uint16 {
	id := r.uint16()
	if id == 0 {
		r.fail(violation("the packet identifier is 0")) // [MQTT-2.2.1-3]
	}
	return id
}
