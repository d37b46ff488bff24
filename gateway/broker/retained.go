package broker

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// retained are the last messages of topics that shall be kept for later subscribers.
type retained struct {
	byTopic map[string]kept
	by      map[string]int // bytes by the client that published them
	bytes   int
	system  map[string]*message // $SYS
}

type kept struct {
	message *message
	from    string // client id
}

func newRetained() retained {
	return retained{byTopic: map[string]kept{}, by: map[string]int{}, system: map[string]*message{}}
}

// matching returns the messages whose topic the filter matches, the oldest first.
func (r *retained) matching(filter string) (all []*message) {
	if !strings.ContainsAny(filter, "+#") {
		if k, ok := r.byTopic[filter]; ok {
			return []*message{k.message}
		}
		if m, ok := r.system[filter]; ok {
			return []*message{m}
		}
		return nil
	}
	for topic, k := range r.byTopic {
		if covers(filter, topic) {
			all = append(all, k.message)
		}
	}
	for topic, m := range r.system {
		if covers(filter, topic) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	return all
}

// retain keeps the message in the place of the one before it, or removes that if it is empty.
func (h *hub) retain(from string, m *message) {
	r := &h.retained
	existed := h.unretain(m.topic)
	if len(m.payload) == 0 { // [MQTT-3.3.1-6]
		if existed {
			h.dropRetained(m.topic)
		}
		return
	}
	r.byTopic[m.topic] = kept{m, from}
	r.bytes += m.size
	r.by[from] += m.size
	h.hold(m)
	h.keepRetained(m, from)
	for len(r.byTopic) > maxRetained || r.bytes > h.maxRetainedBytes() {
		h.relieveRetained()
	}
}

func (h *hub) maxRetainedBytes() int { return h.budget / 2 }

// unretain removes a retained message from memory.
func (h *hub) unretain(topic string) (existed bool) {
	r := &h.retained
	k, ok := r.byTopic[topic]
	if !ok {
		return false
	}
	delete(r.byTopic, topic)
	r.bytes -= k.message.size
	if r.by[k.from] -= k.message.size; r.by[k.from] <= 0 {
		delete(r.by, k.from)
	}
	h.letGo(k.message)
	return true
}

// relieveRetained makes room: the client that has most retained loses its oldest
// ones, an eighth of them, so that this is rare. The gateway itself comes last.
func (h *hub) relieveRetained() {
	r := &h.retained
	greediest, most := "", -1
	for from, bytes := range r.by {
		if from == h.own.ClientID && from != "" {
			bytes = 0
		}
		if bytes > most {
			greediest, most = from, bytes
		}
	}
	var its []*message
	for _, k := range r.byTopic {
		if k.from == greediest {
			its = append(its, k.message)
		}
	}
	slices.SortFunc(its, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	for _, m := range its[:len(its)/8+1] {
		h.unretain(m.topic)
		h.dropRetained(m.topic)
	}
	h.log.warn("retained", "mqtt retained messages removed: there is no room for more", "client", greediest, "messages", len(its)/8+1)
}

// expireRetained removes what has expired [MQTT-3.3.2-5].
func (h *hub) expireRetained(now time.Time) {
	for topic, k := range h.retained.byTopic {
		if k.message.expired(now) {
			h.unretain(topic)
			h.dropRetained(topic)
		}
	}
}
