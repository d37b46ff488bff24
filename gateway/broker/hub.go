package broker

import (
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// hub is the state that all connections share: sessions, subscriptions, what is
// retained and what waits. Whatever it does is short; nothing in it waits for a
// client or the disk.
type hub struct {
	own    Own
	budget int // bytes
	log    *quiet
	store  *store // nil = in memory

	receiving receiving

	mu        sync.Mutex
	access    *access
	sessions  map[string]*session
	tree      tree
	retained  retained
	number    uint64 // the last one given to a message or delivery
	round     uint64 // of routing
	hits      []*session
	used      int // bytes of messages, deliveries and subscriptions
	subCost   int // bytes of subscriptions
	willBytes int
	connected int // clients
	ended     bool
	stats     Stats
}

func newHub(o Options, a *access, log *slog.Logger) *hub {
	budget := o.Memory
	if budget == 0 {
		budget = defaultMemory
	}
	return &hub{
		own: o.Own, budget: budget, log: newQuiet(log), access: a,
		sessions: map[string]*session{}, retained: newRetained(), receiving: newReceiving(budget / 4),
	}
}

// hold counts one more place that has the message.
func (h *hub) hold(m *message) {
	if m.refs++; m.refs == 1 {
		h.used += m.size
	}
}

func (h *hub) letGo(m *message) {
	if m.refs--; m.refs == 0 {
		h.used -= m.size
	}
}

func (h *hub) nextNumber() uint64 {
	h.number++
	return h.number
}

// publish gives a message of the client from ("" = of nobody) to everyone who
// subscribed to it, and keeps it if it is to be retained. It reports whether the
// broker alone has it now for somebody who is away, so that it should be on disk
// before it is acknowledged.
func (h *hub) publish(from string, m *message, retain bool) (waits bool) {
	m.number = h.nextNumber()
	h.hold(m)
	defer h.letGo(m)
	if retain {
		h.retain(from, m)
	}
	h.round++
	h.hits = h.hits[:0]
	h.tree.match(m.topic, func(n *node) {
		for _, s := range n.subs {
			if !(s.NoLocal && s.session.id == from) { // [MQTT-3.8.3-3]
				h.gather(s)
			}
		}
		for _, g := range n.groups {
			if s := g.next(func(s *subscription) bool { return h.access.shows(s.session.user, m.topic) }); s != nil {
				waits = h.deliver(s.session, m, min(m.qos, s.QoS), retain && s.RetainAsPublished, idsOf(s)) || waits
			}
		}
	})
	for _, s := range h.hits {
		waits = h.deliver(s, m, min(m.qos, s.hit.qos), retain && s.hit.publish, s.hit.ids) || waits
		s.hit.ids = nil
	}
	h.keepWithin()
	return waits
}

// gather joins overlapping subscriptions of a session: it gets one copy, with the
// highest QoS and all identifiers [MQTT 5, 3.3.4].
func (h *hub) gather(s *subscription) {
	to := s.session
	if to.hit.round != h.round {
		to.hit = hit{round: h.round}
		h.hits = append(h.hits, to)
	}
	to.hit.qos = max(to.hit.qos, s.QoS)
	to.hit.publish = to.hit.publish || s.RetainAsPublished
	if s.id != 0 {
		to.hit.ids = append(to.hit.ids, s.id)
	}
}

func idsOf(s *subscription) []uint32 {
	if s.id == 0 {
		return nil
	}
	return []uint32{s.id}
}

// deliver puts a message into a session's queue and reports whether it waits there
// for a client that is away.
func (h *hub) deliver(s *session, m *message, qos byte, retain bool, ids []uint32) bool {
	if s.client == nil && qos == 0 || !h.access.shows(s.user, m.topic) {
		return false
	}
	if len(ids) > 1 {
		slices.Sort(ids)
	}
	d := &delivery{number: h.nextNumber(), message: m, qos: qos, retain: retain, ids: ids, cost: deliveryCost + 4*len(ids)}
	h.hold(m)
	h.used += d.cost
	s.bytes += d.cost + m.size
	if qos == 0 {
		s.fast.push(d)
	} else {
		s.queue.push(d)
	}
	h.keepDelivery(s, d)
	for s.deliveries() > maxQueued || s.bytes > maxClientBytes {
		h.dropOldest(s)
	}
	h.keepWithin()
	if s.client != nil {
		s.client.poke()
		return false
	}
	return s.expiry > 0 && !d.gone
}

// forget ends a delivery that was acknowledged, dropped or has expired.
func (h *hub) forget(s *session, d *delivery) {
	if d.gone {
		return
	}
	d.gone = true
	h.used -= d.cost
	s.bytes -= d.cost
	h.dropKept(d)
	if d.message != nil {
		s.bytes -= d.message.size
		h.letGo(d.message)
	}
	if d.id != 0 && s.inflight[d.id] == d {
		delete(s.inflight, d.id)
	}
	if d.on != nil {
		d.on.settled(d)
	}
	d.message = nil
}

// session returns the session for a client that connects, and whether it was there.
func (h *hub) session(id, user string, clean bool) (s *session, present bool) {
	s = h.sessions[id]
	if s != nil && !clean && s.expiry > 0 {
		s.user = user
		return s, true
	}
	if s != nil {
		h.end(s)
	}
	s = newSession(id, user)
	h.sessions[id] = s
	h.dropSurplus()
	return s, false
}

// dropSurplus keeps the number of sessions within its bound: the one whose client is longest away goes.
func (h *hub) dropSurplus() {
	if len(h.sessions) <= maxSessions {
		return
	}
	var oldest *session
	for _, s := range h.sessions {
		if s.client == nil && !s.own && !s.left.IsZero() && (oldest == nil || s.left.Before(oldest.left)) {
			oldest = s
		}
	}
	if oldest != nil {
		h.log.warn("sessions", "mqtt session dropped: too many clients are away", "client", oldest.id)
		h.end(oldest)
	}
}

// detach ends a client's hold on its session, if it still has it. Its will is
// published unless it was taken back.
func (h *hub) detach(c *client) {
	s := c.session
	if s == nil || s.client != c {
		return
	}
	h.connected--
	s.client, s.left = nil, time.Now()
	h.release(c)
	c.resend = fifo{}
	for d := s.fast.pop(); d != nil; d = s.fast.pop() {
		h.forget(s, d)
	}
	for _, d := range s.inflight {
		d.on = nil
	}
	switch w := s.will; {
	case w == nil:
	case min(w.delay, s.expiry) > 0:
		w.due = s.left.Add(min(w.delay, s.expiry))
		h.keepWill(s)
	default:
		h.publishWill(s)
	}
	if s.expiry == 0 {
		h.end(s)
		return
	}
	h.keepSession(s)
}

// end removes a session with everything it has. A will that waited goes out now [MQTT 5, 3.1.2.5].
func (h *hub) end(s *session) {
	if h.sessions[s.id] != s {
		return
	}
	delete(h.sessions, s.id)
	h.publishWill(s)
	for _, sub := range s.subs {
		h.unsubscribe(sub)
	}
	h.empty(s)
	for id := range s.received {
		h.dropReceived(s, id)
	}
	h.dropSession(s)
}

// empty forgets all deliveries of a session.
func (h *hub) empty(s *session) {
	for d := s.queue.pop(); d != nil; d = s.queue.pop() {
		h.forget(s, d)
	}
	for d := s.fast.pop(); d != nil; d = s.fast.pop() {
		h.forget(s, d)
	}
	for _, d := range s.inflight {
		h.forget(s, d)
	}
}

// randomID is the client id of a client that has none.
func randomID() string { return "auto-" + rand.Text() }
