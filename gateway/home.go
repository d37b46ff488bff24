package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/homeassistant"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// home keeps what Home Assistant is told: the present readings, and none that are gone.
//
// What is gone can be at the broker from an earlier process. So at the beginning, and
// when the configuration changes, the gateway listens for a while to the topics of its
// own announcements, and clears those that it would not make.
type home struct {
	session *mqtt.Session
	config  *atomic.Pointer[config.Config]
	log     *slog.Logger

	sweeping atomic.Bool   // the topics of announcements are subscribed
	sweep    chan struct{} // one token: they have just been

	mu     sync.Mutex
	heard  time.Time         // when the broker sent one that it had
	said   map[string][]byte // announcements by topic
	silent []homeassistant.Skipped
}

const (
	sweepTick  = 200 * time.Millisecond
	sweepQuiet = 3 * time.Second // without an announcement, the broker has sent all it has
)

func newHome(g *Gateway) *home {
	h := &home{config: &g.config, log: g.log, sweep: make(chan struct{}, 1)}
	h.begin()
	return h
}

// begin has the announcements looked through, with the next subscription.
func (h *home) begin() {
	h.sweeping.Store(true)
	select {
	case h.sweep <- struct{}{}:
	default:
	}
}

// topics returns what is to be subscribed for c.
func (h *home) topics(c *config.Config) []string {
	switch {
	case c.HomeAssistant == nil:
		return nil
	case h.sweeping.Load():
		return []string{homeassistant.StatusTopic(c), homeassistant.Filter(c)}
	}
	return []string{homeassistant.StatusTopic(c)}
}

// announce tells of what c has, and of what it has no more. It leaves out what was
// told already.
func (h *home) announce(c *config.Config) {
	messages, silent := homeassistant.Messages(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := make(map[string][]byte, len(messages))
	for _, m := range messages {
		now[m.Topic] = m.Payload
	}
	for topic := range h.said {
		if now[topic] == nil {
			h.session.Forget(topic)
		}
	}
	for _, m := range messages {
		if !bytes.Equal(h.said[m.Topic], m.Payload) {
			h.session.Retain(mqtt.State{Topic: m.Topic, Payload: m.Payload})
		}
	}
	h.said = now
	for _, s := range silent {
		if !slices.Contains(h.silent, s) {
			h.log.Info("a reading is not announced to Home Assistant", "device", s.Device, "reading", s.Reading, "reason", s.Why)
		}
	}
	h.silent = silent
}

// handle takes a message if it is for this.
func (h *home) handle(m mqtt.Message) bool {
	c := h.config.Load()
	switch {
	case c.HomeAssistant == nil:
		return false
	case m.Topic == homeassistant.StatusTopic(c):
		if !m.Retained && string(m.Payload) == "online" { // it has begun, and knows nothing yet
			h.repeat(c)
		}
	case message.Matches(homeassistant.Filter(c), m.Topic):
		h.check(c, m)
	default:
		return false
	}
	m.Ack()
	return true
}

func (h *home) repeat(c *config.Config) {
	messages, _ := homeassistant.Messages(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		if payload := h.said[m.Topic]; payload != nil {
			h.session.Retain(mqtt.State{Topic: m.Topic, Payload: payload})
		}
	}
}

// check clears an announcement of what is not there any more.
func (h *home) check(c *config.Config, m mqtt.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Retained {
		h.heard = time.Now()
	}
	if h.said[m.Topic] == nil && homeassistant.IsOwn(c, m.Topic, m.Payload) {
		h.log.Info("what is not configured any more is removed from Home Assistant", "topic", m.Topic)
		h.session.Forget(m.Topic)
	}
}

// silence returns for how long no announcement came, since t at most.
func (h *home) silence(t time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return min(time.Since(t), time.Since(h.heard))
}

// sweepHome ends each subscription of announcements when the broker has sent them.
func (g *Gateway) sweepHome(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.home.sweep:
		}
		if g.awaitSwept(ctx, time.Now()) {
			g.endSweep()
		}
	}
}

// awaitSwept waits until the broker has been there and quiet for a while.
func (g *Gateway) awaitSwept(ctx context.Context, begun time.Time) bool {
	ticker := time.NewTicker(sweepTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
		status := g.session.Status()
		if status.Connected && min(time.Since(status.Since), g.home.silence(begun)) > sweepQuiet {
			return true
		}
	}
}

func (g *Gateway) endSweep() {
	g.arranging.Lock()
	defer g.arranging.Unlock()
	if len(g.home.sweep) > 0 { // another one has begun just now
		return
	}
	g.home.sweeping.Store(false)
	if options, err := g.sessionOptions(g.config.Load()); err == nil {
		g.session.SetTopics(options.Topics, options.Optional)
	}
}
