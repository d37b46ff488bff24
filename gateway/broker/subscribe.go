package broker

import (
	"time"

	"modferry/gateway/broker/packet"
)

// subscribe adds or replaces a subscription and returns its reason code.
func (h *hub) subscribe(s *session, f packet.Filter, id uint32) (reason byte, existed bool) {
	name, rest := inner(f.Filter)
	switch {
	case checkSubscription(f.Filter) != nil:
		return packet.BadFilter, false
	case !h.access.shows(s.user, rest):
		return packet.NotAuthorized, false
	}
	f.RetainAsPublished = f.RetainAsPublished || h.own.asPublished(s.user, f.Filter)
	old := s.subs[f.Filter]
	sub := &subscription{Filter: f, session: s, id: id, group: name, cost: costOf(f.Filter)}
	if old == nil && !s.own && (len(s.subs) >= maxSubscriptions || s.subCost+sub.cost > maxClientSubBytes || h.subCost+sub.cost > maxSubBytes) {
		return packet.QuotaExceeded, false
	}
	if old != nil {
		h.unsubscribe(old)
	}
	s.subs[f.Filter] = sub
	s.subCost += sub.cost
	h.subCost += sub.cost
	h.used += sub.cost
	h.stats.Subscriptions++
	h.tree.add(sub)
	h.keepSubscription(sub)
	h.keepWithin()
	return f.QoS, old != nil
}

func (h *hub) unsubscribe(sub *subscription) {
	s := sub.session
	if s.subs[sub.Filter.Filter] != sub {
		return
	}
	delete(s.subs, sub.Filter.Filter)
	s.subCost -= sub.cost
	h.subCost -= sub.cost
	h.used -= sub.cost
	h.stats.Subscriptions--
	h.tree.remove(sub)
	h.dropSubscription(sub)
}

// sendRetained gives a new subscriber what is retained [MQTT 5, 3.3.1.3].
func (h *hub) sendRetained(s *session, f packet.Filter, id uint32, existed bool) {
	group, _ := inner(f.Filter)
	if group != "" || f.RetainHandling == 2 || f.RetainHandling == 1 && existed {
		return
	}
	var ids []uint32
	if id != 0 {
		ids = []uint32{id}
	}
	now := time.Now()
	for _, m := range h.retained.matching(f.Filter) {
		if s.deliveries() >= maxQueued {
			return
		}
		if !m.expired(now) {
			h.deliver(s, m, min(m.qos, f.QoS), true, ids)
		}
	}
}
