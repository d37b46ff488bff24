package sparkplug

import (
	"encoding/json"
	"strings"
)

// Command is what a host writes to a reading.
type Command struct {
	Value    json.RawMessage
	Retained bool // the message was, so that it may be old
}

// topics are those of one node.
type topics struct{ group, node string }

func (t topics) of(verb, device string) string {
	topic := "spBv1.0/" + t.group + "/" + verb + "/" + t.node
	if device != "" {
		topic += "/" + device
	}
	return topic
}

// DeathTopic is that of the will.
func (n *Node) DeathTopic() string { return n.topics.of("NDEATH", "") }

// Topics are the topics of commands to the node and to its devices.
func (n *Node) Topics() (node, devices string) {
	return n.topics.of("NCMD", ""), n.topics.of("DCMD", "+")
}

// Handle takes a command. Other messages are not for the node.
func (n *Node) Handle(topic string, payload []byte, retained bool) {
	own, _ := n.Topics()
	device, isDevice := strings.CutPrefix(topic, n.topics.of("DCMD", "")+"/")
	if topic != own && !isDevice {
		return
	}
	p, err := Parse(payload)
	if err != nil {
		n.o.Log.Warn("a command is not understood", "topic", topic, "error", err)
		return
	}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		switch {
		case isDevice:
			n.write(device, m, retained)
		case m.Name == rebirthMetric && m.Type == Boolean && m.Value.Bits == 1 && !m.Null && !retained:
			n.rebirth()
		default:
			n.o.Log.Warn("a command is not known: a node can be asked for Node Control/Rebirth alone", "topic", topic)
		}
	}
}

// write passes a metric on to its reading, by name or alias.
func (n *Node) write(device string, m *Metric, retained bool) {
	reading, known := n.reading(device, m)
	value := m.json()
	switch {
	case !known:
		n.o.Log.Warn("a command names no metric of the device", "device", device, "metric", m.Name, "alias", m.Alias)
	case value == nil:
		n.o.Log.Warn("a command has no value", "device", device, "reading", reading)
	default:
		n.o.Set(device, reading, Command{Value: value, Retained: retained})
	}
}

func (n *Node) reading(device string, m *Metric) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.byName[device]
	if d == nil {
		return "", false
	}
	for _, known := range d.metrics {
		if m.Name == known.name || m.Name == "" && m.Alias == known.alias {
			return known.reading.Name, known.name == known.reading.Name // items of a block cannot be written alone
		}
	}
	return "", false
}
