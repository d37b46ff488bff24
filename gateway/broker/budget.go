package broker

// dropOldest drops the message that has waited longest in a session: first of those
// not sent yet, then of those in flight, which were sent at least once.
func (h *hub) dropOldest(s *session) bool {
	d, slow := s.fast.front(), s.queue.front()
	switch {
	case d == nil && slow == nil:
		if d = s.oldestInflight(); d == nil {
			return false
		}
	case d == nil, slow != nil && slow.number < d.number:
		d = s.queue.pop()
	default:
		s.fast.pop()
	}
	h.forget(s, d)
	s.dropped++
	h.stats.Dropped++
	if !s.told {
		s.told = true
		h.log.warn("dropped", "mqtt messages dropped: too much waits for this client; it loses the oldest", "client", s.id, "connected", s.client != nil)
	}
	return true
}

func (s *session) oldestInflight() (oldest *delivery) {
	for _, d := range s.inflight {
		if oldest == nil || d.number < oldest.number {
			oldest = d
		}
	}
	return oldest
}

// keepWithin brings what the broker holds back within its budget: the session that
// holds most loses its oldest messages, and its connection if it has only such as
// are being written. An eighth is freed at once, so that this is rare.
func (h *hub) keepWithin() {
	if h.used <= h.budget {
		return
	}
	for target := h.budget - h.budget/8; h.used > target; {
		var greediest *session
		most := 0
		for _, s := range h.sessions {
			if n := s.holds(); n > most {
				greediest, most = s, n
			}
		}
		if greediest == nil {
			return
		}
		if !h.pay(greediest, h.used-target) && greediest.client != nil {
			h.log.warn("slow", "mqtt connection closed: the client reads too slowly, and the memory is needed", "client", greediest.id)
			greediest.client.cut()
			h.release(greediest.client)
		}
	}
}

// release lets go of the messages that a connection is writing.
func (h *hub) release(c *client) {
	for _, m := range c.writing {
		h.letGo(m)
	}
	c.writing = nil
}

// holds is what a session makes the broker keep, in bytes.
func (s *session) holds() int {
	n := s.bytes
	if s.client != nil {
		for _, m := range s.client.writing {
			n += m.size
		}
	}
	return n
}

// pay drops messages of a session until so many bytes are free, or a quarter of what it has.
func (h *hub) pay(s *session, bytes int) bool {
	from, count := h.used, s.deliveries()/4
	paid := false
	for i := 0; i <= count && from-h.used < bytes; i++ {
		if !h.dropOldest(s) {
			break
		}
		paid = true
	}
	return paid
}
