package broker

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"modferry/gateway/broker/packet"
)

// restoring puts what an earlier process left into a fresh hub.
type restoring struct {
	h        *hub
	records  map[string][]byte
	now      time.Time
	alive    time.Time // when that process was last known to live
	messages map[uint64]*message
}

// restore takes over the records of an earlier process, by key. Whatever of them
// makes no sense is left out. Wills whose time has come are published.
func (h *hub) restore(records map[string][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	r := &restoring{h: h, records: records, now: now, alive: now, messages: map[uint64]*message{}}
	if v, size := binary.Varint(records[string(rune(kindAlive))]); size > 0 {
		r.alive = r.past(v)
	}
	for _, kind := range []struct {
		kind byte
		each func(key string, value []byte)
	}{
		{kindSession, r.session}, {kindSubscription, r.subscription}, {kindReceived, r.received},
		{kindMessage, r.message}, {kindRetained, r.retained}, {kindDelivery, r.delivery}, {kindWill, r.will},
	} {
		for _, key := range r.keys(kind.kind) {
			kind.each(key, records[key])
		}
	}
	h.expire(now)
	h.dropOrphans()
}

// keys returns the keys of a kind, numbers in their order.
func (r *restoring) keys(kind byte) (all []string) {
	for key := range r.records {
		if key[0] == kind {
			all = append(all, key)
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all
}

// past is a time of the earlier process, on this process' clock. A time to come is
// not believed: the clock was set back.
func (r *restoring) past(ms int64) time.Time {
	ago := max(0, r.now.UnixMilli()-ms)
	const century = 100 * 365 * 24 * 3600 * 1000
	return r.now.Add(-time.Duration(min(ago, century)) * time.Millisecond)
}

func (r *restoring) session(key string, v []byte) {
	var record sessionRecord
	if json.Unmarshal(v, &record) != nil {
		return
	}
	s := newSession(key[1:], record.User)
	s.kept = r.h.store != nil
	s.version, s.left, s.own = record.Version, r.alive, r.h.own.ClientID != "" && s.id == r.h.own.ClientID
	if record.Left != 0 {
		s.left = r.past(record.Left)
	}
	s.expiry = min(max(0, time.Duration(record.Expiry)*time.Millisecond), maxSessionExpiry)
	if len(r.h.sessions) < maxSessions {
		r.h.sessions[s.id] = s
	}
}

func (r *restoring) subscription(key string, v []byte) {
	id, filter, ok := splitPaired(key)
	var record subscriptionRecord
	s := r.h.sessions[id]
	if !ok || s == nil || json.Unmarshal(v, &record) != nil {
		return
	}
	r.h.subscribe(s, packet.Filter{
		Filter: filter, QoS: min(record.QoS, 2), NoLocal: record.NoLocal,
		RetainAsPublished: record.RetainAsPublished, RetainHandling: record.RetainHandling,
	}, record.ID)
}

func (r *restoring) received(key string, _ []byte) {
	id, rest, ok := splitPaired(key)
	if s := r.h.sessions[id]; ok && s != nil && len(rest) == 2 && len(s.received) < receiveMaximum {
		s.received[binary.BigEndian.Uint16([]byte(rest))] = receivedID{restored: true}
	}
}

// parseMessage reads the record of a message.
func (r *restoring) parseMessage(v []byte) (m *message, from string, ok bool) {
	in := bytes.NewReader(v)
	qos, _ := in.ReadByte()
	at, _ := binary.ReadVarint(in)
	left, err := binary.ReadVarint(in)
	if err != nil || qos > 2 {
		return nil, "", false
	}
	var parts [3]string
	for i := range parts {
		n, err := binary.ReadUvarint(in)
		if err != nil || n > uint64(in.Len()) {
			return nil, "", false
		}
		b := make([]byte, n)
		_, _ = in.Read(b)
		parts[i] = string(b)
	}
	payload := bytes.Clone(v[len(v)-in.Len():])
	if checkTopic(parts[1]) != nil {
		return nil, "", false
	}
	m = newMessage(parts[1], payload, qos, packet.Properties{Forward: []byte(parts[2])}, r.now)
	if left != never {
		m.expires = r.past(at).Add(time.Duration(min(left, never/int64(time.Millisecond)/2)) * time.Millisecond)
	}
	return m, parts[0], true
}

func (r *restoring) message(key string, v []byte) {
	if m, _, ok := r.parseMessage(v); ok && len(key) == 9 {
		m.number = number(key)
		r.messages[m.number] = m
		r.h.number = max(r.h.number, m.number)
	}
}

func number(key string) uint64 { return binary.BigEndian.Uint64([]byte(key[1:])) }

func (r *restoring) retained(_ string, v []byte) {
	m, from, ok := r.parseMessage(v)
	if !ok || m.expired(r.now) || len(m.payload) == 0 {
		return
	}
	m.number = r.h.nextNumber()
	r.h.hold(m)
	r.h.retain(from, m)
	r.h.letGo(m)
}

func (r *restoring) delivery(key string, v []byte) {
	if len(key) != 9 || len(v) < 13 {
		return
	}
	d := &delivery{number: number(key), qos: v[0], retain: v[1]&flagRetain != 0, released: v[1]&flagReleased != 0}
	d.id = binary.BigEndian.Uint16(v[2:])
	of := r.messages[binary.BigEndian.Uint64(v[4:])]
	in := bytes.NewReader(v[12:])
	n, _ := binary.ReadUvarint(in)
	for ; n > 0 && in.Len() > 0; n-- {
		id, _ := binary.ReadUvarint(in)
		d.ids = append(d.ids, uint32(id))
	}
	s := r.h.sessions[string(v[len(v)-in.Len():])]
	if s == nil || d.qos < 1 || d.qos > 2 || d.released && d.id == 0 || !d.released && of == nil {
		return
	}
	r.h.number = max(r.h.number, d.number)
	d.cost = deliveryCost + 4*len(d.ids)
	r.h.used += d.cost
	s.bytes += d.cost
	if !d.released {
		d.message = of
		r.h.hold(of)
		s.bytes += of.size
	}
	if d.id == 0 {
		s.queue.push(d)
	} else {
		s.inflight[d.id] = d
		s.nextID = max(s.nextID, d.id)
	}
	r.h.keepDelivery(s, d)
	r.h.keepWithin()
}

// will restores the will of a client. One that was connected when the process ended
// has lost its connection.
func (r *restoring) will(key string, v []byte) {
	var record willRecord
	if json.Unmarshal(v, &record) != nil || checkTopic(record.Topic) != nil || record.QoS > 2 {
		return
	}
	id, h := key[1:], r.h
	w := newWill(&packet.Will{
		Topic: record.Topic, Payload: record.Payload, QoS: record.QoS, Retain: record.Retain,
		Properties: packet.Properties{Forward: record.Forward, MessageExpiry: record.Expiry},
	})
	w.delay = time.Duration(record.Delay) * time.Millisecond
	w.due = r.alive.Add(min(w.delay, time.Duration(record.Session)*time.Millisecond))
	if record.Due != 0 {
		ahead := time.Duration(max(0, record.Due-r.now.UnixMilli())) * time.Millisecond
		w.due = r.now.Add(min(ahead, w.delay))
	}
	s := h.sessions[id]
	if s == nil { // of a clean session
		s = newSession(id, record.User)
		h.sessions[id] = s
		s.left = r.alive
	}
	h.setWill(s, w)
}

// snapshot returns everything that has to be on disk, and those who wait for it. No
// change is pending then.
func (h *hub) snapshot() (map[string]value, []chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, waiting := h.store.take()
	return h.everything(), waiting
}

func (h *hub) everything() map[string]value {
	all := map[string]value{}
	for topic, k := range h.retained.byTopic {
		all[string(kindRetained)+topic] = value{message: k.message, from: k.from}
	}
	for _, s := range h.sessions {
		if s.will != nil {
			all[string(kindWill)+s.id] = value{bytes: s.willRecord()}
		}
		if !s.kept {
			continue
		}
		all[string(kindSession)+s.id] = value{bytes: s.record()}
		for _, sub := range s.subs {
			all[paired(kindSubscription, s.id, sub.Filter.Filter)] = value{bytes: sub.record()}
		}
		for id := range s.received {
			all[receivedKey(s, id)] = value{bytes: []byte{1}}
		}
		h.snapshotDeliveries(s, all)
	}
	return all
}

func (h *hub) snapshotDeliveries(s *session, all map[string]value) {
	add := func(d *delivery) {
		if !d.kept {
			return
		}
		all[numbered(kindDelivery, d.number)] = value{bytes: d.record(s)}
		if d.message != nil {
			all[numbered(kindMessage, d.message.number)] = value{message: d.message}
		}
	}
	for _, d := range s.queue.all() {
		add(d)
	}
	for _, d := range s.inflight {
		add(d)
	}
}
