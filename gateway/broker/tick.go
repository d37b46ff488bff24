package broker

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

const (
	tickEvery   = time.Second
	sweepEvery  = 10 // ticks between two looks at every waiting message
	systemEvery = 30 // ticks between two rounds of $SYS topics
)

// Stats counts what a broker has and did.
type Stats struct {
	Clients       int    // connected
	Sessions      int    // of clients that are connected or away
	Subscriptions int    //
	Retained      int    // topics with a retained message
	Queued        int    // messages that wait, or are not acknowledged
	Memory        int    // bytes of messages and subscriptions, at most Options.Memory
	Connects      uint64 // accepted so far
	Packets       uint64 // received so far
	Received      uint64 // messages so far
	Sent          uint64 // messages so far
	Dropped       uint64 // messages so far that a session lost because too much waited
}

// Stats returns the present numbers.
func (b *Broker) Stats() Stats {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	return b.hub.count()
}

func (h *hub) count() Stats {
	s := h.stats
	s.Clients, s.Sessions, s.Retained, s.Memory = h.connected, len(h.sessions), len(h.retained.byTopic), h.used
	for _, session := range h.sessions {
		s.Queued += session.deliveries()
	}
	return s
}

// tick does what time brings until ctx ends.
func (h *hub) tick(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	started := time.Now()
	h.system(started)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		h.mu.Lock()
		h.expire(now)
		if n%sweepEvery == 0 {
			h.sweep(now)
		}
		h.mu.Unlock()
		if n%systemEvery == 0 {
			h.system(started)
		}
	}
}

// expire ends sessions and publishes wills whose time has come.
func (h *hub) expire(now time.Time) {
	for _, s := range h.sessions {
		if s.client != nil {
			continue
		}
		if s.will != nil && !s.will.due.IsZero() && !now.Before(s.will.due) {
			h.publishWill(s)
		}
		if !now.Before(s.endsAt()) {
			h.end(s)
		}
	}
}

// sweep drops messages that have expired.
func (h *hub) sweep(now time.Time) {
	h.expireRetained(now)
	for _, s := range h.sessions {
		var gone []*delivery
		for _, d := range s.queue.all() {
			if d.message.expired(now) {
				gone = append(gone, d)
			}
		}
		if len(gone) == 0 {
			continue
		}
		for _, d := range gone {
			h.forget(s, d)
		}
		s.queue = s.queue.living()
	}
}

// system publishes the $SYS topics, always the same few.
func (h *hub) system(started time.Time) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.count()
	for topic, n := range map[string]any{
		"uptime":               int(time.Since(started).Seconds()),
		"time":                 time.Now().Unix(),
		"clients/connected":    s.Clients,
		"clients/disconnected": s.Sessions - s.Clients,
		"clients/total":        s.Sessions,
		"clients/maximum":      maxConnections,
		"packets/received":     s.Packets,
		"messages/received":    s.Received,
		"messages/sent":        s.Sent,
		"messages/dropped":     s.Dropped,
		"messages/inflight":    s.Queued,
		"retained":             s.Retained,
		"subscriptions":        s.Subscriptions,
		"store/bytes":          s.Memory,
		"system/memory":        memory.HeapInuse,
		"system/threads":       runtime.NumGoroutine(),
	} {
		h.publishSystem("$SYS/broker/"+topic, fmt.Sprint(n))
	}
}

func (h *hub) publishSystem(topic, payload string) {
	m := &message{topic: topic, payload: []byte(payload), size: messageCost + len(topic) + len(payload)}
	if old := h.retained.system[topic]; old != nil {
		h.letGo(old)
	}
	h.retained.system[topic] = m
	h.hold(m)
	h.publish("", m, false)
}
