package broker

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
)

// What is on disk, by the first byte of its key.
const (
	kindAlive        = 'A' // when the process was last alive
	kindSession      = 'S' // client id
	kindSubscription = 'B' // client id, filter
	kindWill         = 'W' // client id
	kindRetained     = 'R' // topic
	kindMessage      = 'M' // number: a message that deliveries refer to
	kindDelivery     = 'D' // number
	kindReceived     = 'Q' // client id, packet id
)

// The records of sessions, subscriptions and wills. Times are in milliseconds since 1970.
type (
	sessionRecord struct {
		User    string
		Version byte
		Expiry  int64 // milliseconds
		Left    int64 // 0 = connected
	}
	subscriptionRecord struct {
		QoS               byte   `json:",omitempty"`
		NoLocal           bool   `json:",omitempty"`
		RetainAsPublished bool   `json:",omitempty"`
		RetainHandling    byte   `json:",omitempty"`
		ID                uint32 `json:",omitempty"`
	}
	willRecord struct {
		Topic, User      string
		Payload, Forward []byte
		QoS              byte
		Retain           bool
		Delay, Session   int64 // milliseconds
		Expiry           *uint32
		Due              int64
	}
)

func numbered(kind byte, n uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte{kind}, n))
}

// paired is a key of a client id and something that belongs to it.
func paired(kind byte, id, rest string) string {
	b := binary.AppendUvarint([]byte{kind}, uint64(len(id)))
	return string(append(append(b, id...), rest...))
}

func splitPaired(key string) (id, rest string, ok bool) {
	n, size := binary.Uvarint([]byte(key[1:min(len(key), 1+binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(key)-1-size) {
		return "", "", false
	}
	return key[1+size : 1+size+int(n)], key[1+size+int(n):], true
}

func encoded(v any) []byte {
	b, _ := json.Marshal(v) // of the records above, which always can be
	return b
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// keepSession writes a session that outlives its connection; from then on everything
// it has is written too, until it ends.
func (h *hub) keepSession(s *session) {
	if h.store != nil && (s.expiry > 0 || s.kept) {
		s.kept = true
		h.store.put(string(kindSession)+s.id, value{bytes: s.record()})
	}
}

func (s *session) record() []byte {
	return encoded(sessionRecord{User: s.user, Version: s.version, Expiry: s.expiry.Milliseconds(), Left: millis(s.left)})
}

func (h *hub) dropSession(s *session) {
	if s.kept {
		h.store.drop(string(kindSession) + s.id)
	}
}

func (h *hub) keepSubscription(sub *subscription) {
	if sub.session.kept {
		sub.kept = true
		h.store.put(paired(kindSubscription, sub.session.id, sub.Filter.Filter), value{bytes: sub.record()})
	}
}

func (sub *subscription) record() []byte {
	return encoded(subscriptionRecord{sub.QoS, sub.NoLocal, sub.RetainAsPublished, sub.RetainHandling, sub.id})
}

func (h *hub) dropSubscription(sub *subscription) {
	if sub.kept {
		h.store.drop(paired(kindSubscription, sub.session.id, sub.Filter.Filter))
	}
}

// keepWill writes or removes the will of a session.
func (h *hub) keepWill(s *session) {
	switch {
	case h.store == nil:
	case s.will == nil:
		h.store.drop(string(kindWill) + s.id)
	default:
		h.store.put(string(kindWill)+s.id, value{bytes: s.willRecord()})
	}
}

func (s *session) willRecord() []byte {
	w := s.will
	return encoded(willRecord{
		Topic: w.message.topic, User: s.user, Payload: w.message.payload, Forward: w.message.forward,
		QoS: w.message.qos, Retain: w.retain, Delay: w.delay.Milliseconds(), Session: s.expiry.Milliseconds(),
		Expiry: w.expiry, Due: millis(w.due),
	})
}

func (h *hub) keepRetained(m *message, from string) {
	if h.store != nil {
		h.store.put(string(kindRetained)+m.topic, value{message: m, from: from})
	}
}

func (h *hub) dropRetained(topic string) {
	if h.store != nil {
		h.store.drop(string(kindRetained) + topic)
	}
}

func (h *hub) keepReceived(s *session, id uint16) {
	if s.kept {
		h.store.put(receivedKey(s, id), value{bytes: []byte{1}})
	}
}

func (h *hub) dropReceived(s *session, id uint16) {
	if s.kept {
		h.store.drop(receivedKey(s, id))
	}
}

func receivedKey(s *session, id uint16) string {
	return paired(kindReceived, s.id, string(binary.BigEndian.AppendUint16(nil, id)))
}

// keepDelivery writes where a message at QoS 1 or 2 is to go, and how far it is.
func (h *hub) keepDelivery(s *session, d *delivery) {
	if !s.kept || d.qos == 0 || d.gone {
		return
	}
	if !d.kept {
		d.kept = true
		if m := d.message; m != nil {
			if m.kept++; m.kept == 1 {
				h.store.putNew(numbered(kindMessage, m.number), value{message: m})
			}
		}
		h.store.putNew(numbered(kindDelivery, d.number), value{bytes: d.record(s)})
		return
	}
	h.store.put(numbered(kindDelivery, d.number), value{bytes: d.record(s)})
}

// keepReleased writes that a QoS 2 message is at its receiver, so that its content m is not needed any more.
func (h *hub) keepReleased(s *session, d *delivery, m *message) {
	if d.kept {
		h.store.put(numbered(kindDelivery, d.number), value{bytes: d.record(s)})
		h.dropMessage(m)
	}
}

func (h *hub) dropMessage(m *message) {
	if m.kept--; m.kept == 0 {
		h.store.drop(numbered(kindMessage, m.number))
	}
}

func (h *hub) dropKept(d *delivery) {
	if !d.kept {
		return
	}
	d.kept = false
	h.store.drop(numbered(kindDelivery, d.number))
	if d.message != nil {
		h.dropMessage(d.message)
	}
}

// The flags of a delivery on disk.
const (
	flagRetain   = 1
	flagReleased = 2
)

func (d *delivery) record(s *session) []byte {
	var flags byte
	if d.retain {
		flags |= flagRetain
	}
	var number uint64
	if d.released {
		flags |= flagReleased
	} else {
		number = d.message.number
	}
	b := []byte{d.qos, flags}
	b = binary.BigEndian.AppendUint16(b, d.id)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.AppendUvarint(b, uint64(len(d.ids)))
	for _, id := range d.ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return append(b, s.id...)
}

// never is the time that is left of a message without an expiry.
const never = math.MaxInt64

// append appends the record of a message: who published it, when this is written, and how long it lives from then on.
func (m *message) append(dst []byte, from string, now time.Time) []byte {
	left := int64(never)
	if !m.expires.IsZero() {
		left = max(0, m.expires.Sub(now).Milliseconds())
	}
	dst = append(dst, m.qos)
	dst = binary.AppendVarint(dst, now.UnixMilli())
	dst = binary.AppendVarint(dst, left)
	for _, part := range []string{from, m.topic, string(m.forward)} {
		dst = append(binary.AppendUvarint(dst, uint64(len(part))), part...)
	}
	return append(dst, m.payload...)
}
