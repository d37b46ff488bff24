package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/notebook"
)

// leftovers remembers which retained topics of buses and devices the gateway has, so
// that the next process clears those that its configuration does not have any more. A
// topic is remembered until the broker has cleared it.
type leftovers struct {
	*notebook.Notebook
	config  *atomic.Pointer[config.Config]
	session *mqtt.Session
	log     *slog.Logger
	found   topicsByPrefix // of an earlier process
}

// topicsByPrefix are topics by the prefix of the gateway, and without it.
type topicsByPrefix map[string][]string

const (
	leftoversName  = "topics.json"
	leftoversPause = 3 * time.Second // between two writes
	leftoversTick  = 2 * time.Second
	maxPrefixes    = 16
	maxLeftovers   = 100_000 // topics of one prefix
)

func openLeftovers(folder string, g *Gateway) *leftovers {
	l := &leftovers{config: &g.config, log: g.log}
	l.Notebook = notebook.Open(notebook.Options{
		Folder: folder, Name: leftoversName, What: "which topics are to be cleared when their device is gone", Pause: leftoversPause, Text: l.content, Log: g.log,
		Take: func(text []byte) (err error) {
			l.found, err = parseLeftovers(text)
			return err
		},
	})
	return l
}

// parseLeftovers takes only topics that a gateway makes for buses and devices: what the
// file says is going to be cleared.
func parseLeftovers(text []byte) (topicsByPrefix, error) {
	var found topicsByPrefix
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	if found == nil { // the text is null
		return nil, errors.New("it says nothing")
	}
	for prefix, topics := range found {
		if len(found) > maxPrefixes || len(topics) > maxLeftovers {
			return nil, errors.New("it says too much")
		}
		for _, topic := range topics {
			if !isStateTopic(topic) || !message.ValidTopic(prefix+"/"+topic) {
				return nil, fmt.Errorf("%q is no topic of a bus or device", prefix+"/"+topic)
			}
		}
	}
	return found, nil
}

// isStateTopic reports whether topic, without its prefix, is that of a bus's status, or of
// a device, its status or a reading.
func isStateTopic(topic string) bool {
	levels := strings.Split(topic, "/")
	for _, name := range levels {
		if !message.ValidName(name) {
			return false
		}
	}
	switch levels[0] {
	case "bus":
		return len(levels) == 3 && levels[2] == "status"
	case "device":
		return len(levels) == 2 || len(levels) == 3
	}
	return false
}

// clear has the broker forget what an earlier process said on topics that c does not have.
func (l *leftovers) clear(c *config.Config) {
	now := map[string]bool{}
	for _, topic := range stateTopics(message.Topics{Prefix: c.Prefix}, c) {
		now[topic] = true
	}
	cleared := 0
	for prefix, topics := range l.found {
		for _, topic := range topics {
			if topic = prefix + "/" + topic; !now[topic] {
				l.session.Forget(topic)
				cleared++
			}
		}
	}
	if cleared > 0 {
		l.log.Info("what is not configured any more is cleared at the broker", "topics", cleared)
	}
	l.Tell()
}

// watch has the file written anew when the broker has cleared topics.
func (l *leftovers) watch(ctx context.Context) {
	ticker := time.NewTicker(leftoversTick)
	defer ticker.Stop()
	before := -1 // what waited at the start may be gone by now
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now := len(l.session.Forgetting()); now != before {
			before = now
			l.Tell()
		}
	}
}

// content is what the file has: the topics of the configuration, and those that are not
// cleared yet. Beyond the limits those stay at the broker.
func (l *leftovers) content() ([]byte, error) {
	c := l.config.Load()
	all, has := topicsByPrefix{}, map[string]bool{}
	for _, topic := range stateTopics(message.Topics{Prefix: c.Prefix}, c) {
		has[topic] = true
		all.add(c.Prefix, strings.TrimPrefix(topic, c.Prefix+"/"))
	}
	prefixes := []string{c.Prefix}
	for prefix := range l.found {
		prefixes = append(prefixes, prefix)
	}
	for _, topic := range l.session.Forgetting() {
		for _, prefix := range prefixes {
			if rest, ok := strings.CutPrefix(topic, prefix+"/"); ok && !has[topic] && isStateTopic(rest) {
				all.add(prefix, rest)
				break
			}
		}
	}
	return json.Marshal(all)
}

func (t topicsByPrefix) add(prefix, topic string) {
	if len(t[prefix]) < maxLeftovers && (t[prefix] != nil || len(t) < maxPrefixes) {
		t[prefix] = append(t[prefix], topic)
	}
}
