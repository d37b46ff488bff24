package sparkplug

import (
	"encoding/json"
	"strings"

	"modferry/gateway/message"
)

// Command is what a host writes to a reading.
type Command struct {
	Value    json.RawMessage // nil = none, and Refused says why
	Refused  string          // why it cannot be done; "" = it can
	Retained bool            // the message was, so that it may be old
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
		n.quiet.Warn("a command is not understood", "topic", topic, "error", err)
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
			n.quiet.Warn("a command is not known: a node can be asked for Node Control/Rebirth alone", "topic", topic)
		}
	}
}

// write passes a metric on to its reading, by name or alias. What cannot be done is
// told as the outcome, too: for a name that no metric has, as that of such a reading.
func (n *Node) write(device string, m *Metric, retained bool) {
	reading, known, why := n.reading(device, m)
	value := m.json()
	switch {
	case why != "":
	case !known && message.ValidName(m.Name) && message.ValidName(device):
		reading, why = m.Name, "there is no such metric: use the names of the device's birth"
	case !known:
		n.quiet.Warn("a command names no metric of the device", "device", device, "metric", m.Name, "alias", m.Alias)
		return
	case value == nil:
		why = "the command has no value that can be written: send one number, truth value, text or time, no null, NaN or infinity"
	}
	if why != "" {
		value = nil
	}
	n.o.Set(device, reading, Command{Value: value, Refused: why, Retained: retained})
}

// reading returns the reading of a metric, and why it cannot be written if it is none by itself.
func (n *Node) reading(device string, m *Metric) (name string, known bool, why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.byName[device]
	if d == nil {
		return "", false, ""
	}
	for _, k := range d.metrics {
		switch {
		case m.Name != k.name && (m.Name != "" || m.Alias != k.alias):
		case k.name != k.reading.Name:
			return k.reading.Name, true, "an item of a block cannot be written alone: set the whole block on its set topic"
		default:
			return k.reading.Name, true, ""
		}
	}
	return "", false, ""
}
