package config

import (
	"net"
	"slices"
	"strings"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
)

// Limits of what a bus may be told; beyond them a number is a mistake.
const (
	minTimeout = 10 * time.Millisecond
	maxTimeout = 10 * time.Minute
	maxDelay   = 10 * time.Second
	maxQueue   = 10_000

	maxInFlight = 16 // [TCP 4.2.1]
)

// Keys that only one kind of bus has. A key on the wrong kind would have no effect.
var (
	serialKeys = []string{"baud", "parity", "data_bits", "stop_bits", "mode", "echo"}
	tcpKeys    = []string{"framing", "in_flight"}
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
	b.Queue = m.Get("queue").Int(64, 1, maxQueue)
	b.Breaker = breaker(m.Get("breaker"))
	b.Request = topic(m.Get("request"))
	b.Response = topic(m.Get("response"))
	b.Form = m.Get("payload").OneOf("auto", "auto", "hex", "binary", "json")
	b.Allow = rules(m.Get("allow"), &b)
	if b.Broadcast && !b.isSerialLine() {
		m.Get("broadcast").Problemf("only serial lines have broadcasts: remove it, or set framing to rtu or ascii for a line behind the port")
	}
	m.Done()
	return b
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

// isSerialLine reports whether the units are those of a serial line, also behind a TCP port.
func (b *Bus) isSerialLine() bool {
	return b.Serial != nil || b.TCP != nil && b.TCP.Framing != modbus.TCP
}

// line reads how the bus is reached. All keys are asked for, whatever the kind.
func (d *decoder) line(m *strictyaml.Map, b *Bus) {
	serial, tcp, udp, secure := m.Get("serial"), m.Get("tcp"), m.Get("udp"), m.Get("tls")
	s, t := readSerial(m, serial), readTCP(m, tcp)
	present := 0
	for _, n := range []strictyaml.Node{serial, tcp, udp, secure} {
		if n.Present() {
			present++
		}
	}
	switch {
	case present > 1:
		m.Node().Problemf("a bus has one line: keep one of serial, tcp, udp and tls")
	case present == 0 && m.Node().Present():
		m.Node().Problemf("the bus has no line: add serial with a port such as /dev/ttyUSB0, or tcp with host:port")
	case serial.Present():
		b.Serial = s
		refuseKeys(m, tcpKeys, "is for tcp: remove it")
	case tcp.Present():
		b.TCP = t
		refuseKeys(m, serialKeys, "is for serial: remove it")
	}
}

func refuseKeys(m *strictyaml.Map, keys []string, message string) {
	for _, key := range keys {
		switch n := m.Get(key); {
		case !n.Present():
		case key == "mode":
			n.Problemf("is for serial: write framing, which says it for tcp")
		case key == "framing":
			n.Problemf("is for tcp: write mode, which says it for serial")
		default:
			n.Problemf("%s", message)
		}
	}
}

func readSerial(m *strictyaml.Map, n strictyaml.Node) *Serial {
	s := &Serial{
		Baud:     m.Get("baud").Int(9600, 50, 4_000_000),
		Parity:   m.Get("parity").OneOf("none", "none", "even", "odd", "mark", "space"),
		DataBits: m.Get("data_bits").Int(8, 7, 8),
		StopBits: m.Get("stop_bits").Int(1, 1, 2),
		Mode:     framing(m.Get("mode"), "rtu", "rtu", "ascii"),
		Echo:     m.Get("echo").Bool(false),
	}
	s.Path, _ = n.Text()
	if s.Mode == modbus.RTU && s.DataBits != 8 { // [Serial 2.5.1]
		m.Get("data_bits").Problemf("RTU needs 8 data bits: write 8, or mode: ascii")
	}
	return s
}

func readTCP(m *strictyaml.Map, n strictyaml.Node) *TCP {
	t := &TCP{
		Address:  tcpAddress(n),
		Framing:  framing(m.Get("framing"), "mbap", "mbap", "rtu", "ascii"),
		InFlight: m.Get("in_flight").Int(1, 1, maxInFlight),
	}
	if t.InFlight > 1 && t.Framing != modbus.TCP {
		m.Get("in_flight").Problemf("only mbap has transaction ids to tell replies apart: remove it, or write framing: mbap")
	}
	return t
}

func framing(n strictyaml.Node, def string, allowed ...string) modbus.Framing {
	switch n.OneOf(def, allowed...) {
	case "rtu":
		return modbus.RTU
	case "ascii":
		return modbus.ASCII
	}
	return modbus.TCP
}

// tcpAddress reads host:port; without a port it is Modbus' own, 502.
func tcpAddress(n strictyaml.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil { // no port
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "502"
	}
	bad := strings.ContainsAny(host, " \t\n/[]") || strings.Contains(host, ":") && net.ParseIP(withoutZone(host)) == nil
	if host == "" || bad || !isPort(port, 1) {
		n.Problemf("expected host:port, got %s: write it as in 10.0.0.5:502", n.Shown())
		return ""
	}
	return net.JoinHostPort(host, port)
}

func withoutZone(host string) string {
	host, _, _ = strings.Cut(host, "%")
	return host
}

// checkTopics: a request must belong to one bus, and nothing the gateway itself
// publishes may be taken for a request.
func (d *decoder) checkTopics(entries []strictyaml.Entry, buses []Bus) {
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
			if n := m.Get(key); n.Present() && d.isOwn(topicOf(b, key)) {
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

// isOwn reports whether the gateway's own topics lie at or below t.
func (d *decoder) isOwn(t string) bool {
	rest, ok := strings.CutPrefix(t, d.prefix+"/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, "/")
	return slices.Contains([]string{"status", "bus", "device", "history", "audit"}, first)
}

// checkLines: one bus owns a line.
func checkLines(entries []strictyaml.Entry, buses []Bus) {
	for i, b := range buses {
		for _, other := range buses[:i] {
			switch {
			case b.Serial != nil && other.Serial != nil && b.Serial.Path != "" && b.Serial.Path == other.Serial.Path:
				entries[i].Value.Map().Get("serial").Problemf("bus %s has this port already: one bus has all devices of a line", other.Name)
			case b.TCP != nil && other.TCP != nil && b.TCP.Address != "" && b.TCP.Address == other.TCP.Address:
				entries[i].Value.Map().Get("tcp").Warnf("bus %s connects there too: many devices accept only one connection", other.Name)
			}
		}
	}
}
