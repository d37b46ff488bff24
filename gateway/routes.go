package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/homeassistant"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// statusEvery is how often the counters of a bus are published at most.
const statusEvery = 10 * time.Second

// requestTopics returns what the session subscribes: every bus's request topics, and
// the set topics of all devices. Where nothing can be set they are there to say so, and
// a broker need not allow them.
func (g *Gateway) requestTopics(c *config.Config) (must, may []string) {
	for _, b := range c.Buses {
		must = append(must, busTopics(g.topics, b).Filters()...)
	}
	if wantsSets(c) {
		return append(must, g.topics.SetFilter()), nil
	}
	return must, []string{g.topics.SetFilter()}
}

// asPublished reports whether the messages of a subscription ask for something, so that
// a retained one has to be known as such also when it arrives while the gateway is
// connected. Of what others state, retained means that it is of before.
func (g *Gateway) asPublished(filter string) bool {
	if filter == g.topics.Status() {
		return false
	}
	c := g.config.Load()
	return c.HomeAssistant == nil || filter != homeassistant.StatusTopic(c) && filter != homeassistant.Filter(c)
}

// busTopics are the standard topics of a bus, or the fixed ones of its configuration.
func busTopics(t message.Topics, b config.Bus) message.Bus {
	return t.Bus(b.Name, b.Request, b.Response)
}

// mayAnswer reports whether a client of a bus may ask for its reply on a topic other
// than its response topic: under the prefix, or where mqtt.reply_topics allows it. A
// topic that requests come from is never one: a reply would be the next request.
func (g *Gateway) mayAnswer(b message.Bus, client, topic string) bool {
	for _, l := range *g.plant.lines.Load() {
		if _, ok := l.topics.Client(topic); ok {
			return false
		}
	}
	if strings.HasPrefix(topic, g.topics.Prefix+"/") {
		return g.topics.MayAnswer(b, client, topic)
	}
	return message.ValidTopic(topic) && slices.ContainsFunc(g.config.Load().MQTT.ReplyTopics, func(filter string) bool {
		return message.Matches(filter, topic)
	})
}

// handle takes a message from the session to its line or device.
func (g *Gateway) handle(m mqtt.Message) {
	for _, l := range *g.plant.lines.Load() {
		if client, ok := l.topics.Client(m.Topic); ok {
			l.serve(client, m)
			return
		}
	}
	if device, reading, ok := g.topics.ParseSet(m.Topic); ok {
		g.set(device, reading, m)
		return
	}
	if g.home.handle(m) {
		return
	}
	m.Ack() // a bus that is no longer there, or an ending that is no name
}

// audit tells of a write. Those that may have reached a device go apart, so that no
// flood of refused ones can hide them.
func (g *Gateway) audit(a message.Audit) {
	flow := "audit of refusals"
	if a.Outcome != message.Refused {
		flow = "audit"
	}
	g.session.Publish(mqtt.Event{Topic: g.topics.Audit(), Flow: flow, Payload: a.JSON()})
}

// publishing is told of every message just before it goes out.
func (g *Gateway) publishing(topic string, payload []byte) {
	for _, l := range *g.plant.lines.Load() {
		if l.own != nil && l.topics.Response("") == topic {
			l.own.add(payload)
		}
	}
}

// connecting is told of every new connection before a message can come over it.
func (g *Gateway) connecting() {
	for _, l := range *g.plant.lines.Load() {
		if l.own != nil {
			l.own.reset()
		}
	}
}

// retain states what is no reading: of that, only the present counts.
func (g *Gateway) retain(topic string, payload []byte) {
	g.session.Retain(mqtt.State{Topic: topic, Payload: payload})
}

// busChanged is told of every change of a bus.
func (g *Gateway) busChanged() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// reportBuses publishes the status of each bus when its state changes, and its
// counters from time to time.
func (g *Gateway) reportBuses(ctx context.Context) {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	last := map[string]string{}
	for {
		for _, l := range *g.plant.lines.Load() {
			status, err := json.Marshal(l.bus.Status())
			if err != nil {
				g.log.Error("cannot write the status of a bus", "bus", l.bus.Name(), "error", err)
				continue
			}
			if last[l.bus.Name()] != string(status) {
				last[l.bus.Name()] = string(status)
				g.retain(l.topics.Status(), status)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-g.changed:
		}
	}
}
