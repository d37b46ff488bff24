package config

import (
	"time"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
)

// Limits of what a bus may be told; beyond them a number is a mistake.
const (
	minTimeout = 10 * time.Millisecond
	maxTimeout = 10 * time.Minute
	maxDelay   = 10 * time.Second
	maxQueue   = 10_000

	maxInFlight = 16 // [TCP 4.2.1]
)

func (d *decoder) buses(n strictyaml.Node) []Bus {
	m := n.Map()
	var buses []Bus
	entries := m.Entries()
	for _, e := range entries {
		checkKey(e)
		buses = append(buses, d.bus(e))
	}
	if m.Node().Present() && len(buses) == 0 {
		n.Problemf("there is no bus: add one with serial or tcp")
	}
	d.checkTopics(entries, buses)
	checkLines(entries, buses)
	return buses
}

func (d *decoder) bus(e strictyaml.Entry) Bus {
	m := e.Value.Map()
	b := Bus{Name: e.Name}
	d.line(m, &b)
	timeout := time.Second
	if b.Serial != nil {
		timeout = 300 * time.Millisecond
	}
	b.Timeout = m.Get("timeout").Duration(timeout, minTimeout, maxTimeout)
	b.Delay = m.Get("delay").Duration(0, 0, maxDelay)
	b.Broadcast = m.Get("broadcast").Bool(false)
	b.Turnaround = turnaround(m.Get("turnaround"), &b)
	b.Queue = m.Get("queue").Int(64, 1, maxQueue)
	b.Breaker = breaker(m.Get("breaker"))
	b.Request = topic(m.Get("request"))
	b.Response = topic(m.Get("response"))
	b.Form = m.Get("payload").OneOf("auto", "auto", "hex", "binary", "json", "line")
	b.Allow = rules(m.Get("allow"), &b)
	if b.Broadcast && !b.isSerialLine() {
		m.Get("broadcast").Problemf("only serial lines have broadcasts: remove it, or set framing to rtu or ascii for a line behind the port")
	}
	m.Done()
	return b
}

// turnaround is for broadcasts, which only serial lines have.
func turnaround(n strictyaml.Node, b *Bus) time.Duration {
	d := n.Duration(100*time.Millisecond, time.Millisecond, maxDelay) // [Serial 2.4.1]
	if b.isSerialLine() {
		return d
	}
	if n.Present() {
		n.Problemf("it is for broadcasts, which only serial lines have: remove it")
	}
	return 0
}

func breaker(n strictyaml.Node) Breaker {
	m := n.Map()
	defer m.Done()
	b := Breaker{
		After:    m.Get("after").Int(3, 1, 1000),
		Probe:    m.Get("probe").Duration(time.Second, 100*time.Millisecond, time.Hour),
		ProbeMax: m.Get("probe_max").Duration(time.Minute, 100*time.Millisecond, 24*time.Hour),
	}
	if b.ProbeMax < b.Probe {
		m.Get("probe_max").Problemf("is shorter than probe, %s: write a longer one", b.Probe)
	}
	return b
}

// checkTopics: a request must belong to one bus, and nothing the gateway itself
// publishes may be taken for a request.
func (d *decoder) checkTopics(entries []strictyaml.Entry, buses []Bus) {
	topics := message.Topics{Prefix: d.prefix}
	for i, b := range buses {
		if !entries[i].Value.IsMap() {
			continue
		}
		m := entries[i].Value.Map()
		for j, other := range buses {
			switch {
			case b.Request == "" || j == i:
			case j < i && b.Request == other.Request:
				m.Get("request").Problemf("bus %s has the same request topic: choose another", other.Name)
			case b.Request == other.Response:
				m.Get("request").Problemf("the replies of bus %s go to this topic and would be taken for requests: choose another", other.Name)
			}
		}
		for _, key := range []string{"request", "response"} {
			if n := m.Get(key); n.Present() && topics.IsOwn(topicOf(b, key)) {
				n.Problemf("the gateway has its own topics there: choose one that does not begin with its prefix, or remove the key")
			}
		}
	}
}

func topicOf(b Bus, key string) string {
	if key == "request" {
		return b.Request
	}
	return b.Response
}

// checkLines: one bus owns a serial port. Buses of one server share a connection,
// if they want the same one.
func checkLines(entries []strictyaml.Entry, buses []Bus) {
	for i, b := range buses {
		for _, other := range buses[:i] {
			switch {
			case b.Serial != nil && other.Serial != nil && b.Serial.Path != "" && b.Serial.Path == other.Serial.Path:
				entries[i].Value.Map().Get("serial").Problemf("bus %s has this port already: one bus has all devices of a line", other.Name)
			case b.TCP != nil && other.TCP != nil && b.TCP.clashes(other.TCP):
				entries[i].Value.Warnf("bus %s reaches the same address with another framing or TLS, so each has a connection of its own: many devices accept only one", other.Name)
			}
		}
	}
}
