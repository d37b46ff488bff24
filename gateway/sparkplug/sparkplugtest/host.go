package sparkplugtest

import (
	"fmt"
	"strconv"
	"strings"
)

// Host is what a host application knows of one node, and what must not come next.
type Host struct {
	Group, Node string

	Births, Deaths int
	Devices        map[string]*Device

	alive  bool
	seq    int    // of the last message
	bdSeq  string // of the present birth
	data   bool   // something came that is no birth
	begun  bool
	sample map[string]string // names by alias, of the whole node
}

// Device is what a host knows of a device.
type Device struct {
	Alive  bool
	Types  map[string]string // of metrics by name
	Values map[string]any    // of metrics by name; nil for null
	Health map[string]int    // quality by name
	names  map[string]string // by alias
}

// Receive takes the next message of the node. Its error says which rule it breaks.
func (h *Host) Receive(topic string, p Payload) error {
	parts := strings.Split(topic, "/")
	if len(parts) < 4 || parts[0] != "spBv1.0" || parts[1] != h.Group || parts[3] != h.Node {
		return fmt.Errorf("the topic %s is not one of the node", topic)
	}
	verb, device := parts[2], strings.Join(parts[4:], "/")
	if (device != "") != (verb[0] == 'D') {
		return fmt.Errorf("the topic %s has a wrong number of levels", topic)
	}
	if p.Timestamp == "" || p.Timestamp == "0" {
		return fmt.Errorf("%s has no time", topic)
	}
	switch verb {
	case "NBIRTH":
		return h.birth(p)
	case "NDEATH":
		return h.death(p)
	case "NDATA", "DBIRTH", "DDATA", "DDEATH":
		return h.follow(verb, device, p)
	}
	return fmt.Errorf("a node does not publish %s", verb)
}

func (h *Host) birth(p Payload) error {
	values := p.Values()
	switch {
	case p.seq() != "0":
		return fmt.Errorf("NBIRTH has no sequence number 0")
	case values["Node Control/Rebirth"] != "false" || values["bdSeq"] == "":
		return fmt.Errorf("NBIRTH has the metrics %v", values)
	case h.alive && values["bdSeq"] != h.bdSeq:
		// The connection was lost, and the broker with it, so that NDEATH did not come.
		if !follows(h.bdSeq, values["bdSeq"]) {
			return fmt.Errorf("bdSeq %s after %s", values["bdSeq"], h.bdSeq)
		}
	case !h.alive && h.begun && !follows(h.bdSeq, values["bdSeq"]):
		return fmt.Errorf("bdSeq %s after %s, in a new session", values["bdSeq"], h.bdSeq)
	}
	h.Births++
	h.alive, h.begun, h.seq, h.bdSeq, h.data = true, true, 0, values["bdSeq"], false
	h.Devices, h.sample = map[string]*Device{}, map[string]string{}
	return nil
}

// follows reports whether b is after a, by not much: each try to connect counts on.
func follows(a, b string) bool {
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && x < 256 && y < 256 && x >= 0 && y >= 0 && (y-x+256)%256 > 0 && (y-x+256)%256 < 128
}

func (h *Host) death(p Payload) error {
	switch values := p.Values(); {
	case p.Seq != nil && *p.Seq != "0": // the decoder knows no missing number
		return fmt.Errorf("NDEATH has sequence number %s", *p.Seq)
	case len(values) != 1 || values["bdSeq"] == "":
		return fmt.Errorf("NDEATH has the metrics %v", values)
	case !h.alive || values["bdSeq"] != h.bdSeq: // of an earlier session, and late
		return nil
	}
	h.Deaths++
	h.alive = false
	return nil
}

func (h *Host) follow(verb, name string, p Payload) error {
	if !h.alive {
		return fmt.Errorf("%s %s before NBIRTH", verb, name)
	}
	h.seq = (h.seq + 1) % 256
	if p.seq() != strconv.Itoa(h.seq) {
		return fmt.Errorf("%s %s: sequence number %s, want %d", verb, name, p.seq(), h.seq)
	}
	d := h.Devices[name]
	switch alive := d != nil && d.Alive; {
	case verb == "DBIRTH":
		return h.deviceBirth(name, p)
	case !alive:
		return fmt.Errorf("%s %s before DBIRTH", verb, name)
	case verb == "DDEATH":
		d.Alive = false
		return nil
	}
	return d.change(p)
}

func (h *Host) deviceBirth(name string, p Payload) error {
	d := &Device{Alive: true, Types: map[string]string{}, Values: map[string]any{}, Health: map[string]int{}, names: map[string]string{}}
	for _, m := range p.Metrics {
		known := h.sample[m.Alias]
		switch {
		case m.Name == "" || m.Alias == "" || m.Type == "" || m.Timestamp == "":
			return fmt.Errorf("DBIRTH %s: metric without name, alias, type or time: %+v", name, m)
		case known != "" && known != name+"/"+m.Name:
			return fmt.Errorf("DBIRTH %s: alias %s is of %s and of %s", name, m.Alias, known, m.Name)
		}
		h.sample[m.Alias] = name + "/" + m.Name
		d.names[m.Alias], d.Types[m.Name] = m.Name, m.Type
		if err := d.value(m.Name, m); err != nil {
			return fmt.Errorf("DBIRTH %s: %w", name, err)
		}
	}
	h.Devices[name] = d
	return nil
}

func (d *Device) change(p Payload) error {
	last := ""
	for _, m := range p.Metrics {
		name := d.names[m.Alias]
		switch {
		case m.Name != "" || name == "":
			return fmt.Errorf("DDATA: metric with a name, or without a known alias: %+v", m)
		case m.Timestamp == "" || len(m.Timestamp) == len(last) && m.Timestamp < last:
			return fmt.Errorf("DDATA: metrics out of the order of their times: %+v", p.Metrics)
		case m.Type != d.Types[name]:
			return fmt.Errorf("DDATA: %s is of type %s, and was born as %s", name, m.Type, d.Types[name])
		}
		last = m.Timestamp
		if err := d.value(name, m); err != nil {
			return err
		}
	}
	return nil
}

// value takes value and quality of a metric. What is not good has none.
func (d *Device) value(name string, m Metric) error {
	if q, there := m.Properties["Quality"]; there {
		n, ok := q.Value.(float64)
		if q.Type != "Int32" || !ok || n != 0 && n != 192 && n != 500 {
			return fmt.Errorf("%s: quality %+v", name, q)
		}
		d.Health[name] = int(n)
	}
	if (m.Value == nil) != (d.Health[name] != 192) {
		return fmt.Errorf("%s: value %v with quality %d", name, m.Value, d.Health[name])
	}
	d.Values[name] = m.Value
	return nil
}

// Alive reports whether the node is.
func (h *Host) Alive() bool { return h.alive }
