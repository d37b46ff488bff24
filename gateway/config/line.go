package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
)

// Keys that only some kinds of bus have. A key on the wrong kind would have no effect.
var (
	serialKeys  = []string{"baud", "parity", "data_bits", "stop_bits", "mode", "echo", "rs485", "dtr", "rts", "low_latency", "frame_gap"}
	networkKeys = []string{"framing", "in_flight"}
	tlsKeys     = []string{"ca", "cert", "key", "server_name"}
)

// usualBauds are the rates that devices and ports commonly have, those that slips of the
// pen are most likely meant to be first. Any other is accepted with a warning.
var usualBauds = []string{
	"9600", "19200", "38400", "57600", "115200", "300", "600", "1200", "1800", "2400", "4800", "7200", "14400", "28800", "31250", "56000", "62500",
	"76800", "93750", "125000", "128000", "153600", "187500", "230400", "250000", "256000", "375000", "460800", "500000", "576000", "614400",
	"750000", "921600", "1000000", "1152000", "1500000", "2000000", "2500000", "3000000", "3500000", "4000000",
}

// isSerialLine reports whether the units are those of a serial line, also behind a TCP port.
func (b *Bus) isSerialLine() bool {
	return b.Serial != nil || b.TCP != nil && b.TCP.Framing != modbus.TCP
}

// line reads how the bus is reached. All keys are asked for, whatever the kind.
func (d *decoder) line(m *strictyaml.Map, b *Bus) {
	serial, tcp, udp, secure := m.Get("serial"), m.Get("tcp"), m.Get("udp"), m.Get("tls")
	s, t := readSerial(m, serial), readTCP(m)
	files := d.tlsFiles(m)
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
		refuseKeys(m, networkKeys, "is for tcp: remove it")
	case tcp.Present():
		t.Address, b.TCP = address(tcp, "502"), t
	case udp.Present():
		t.Address, t.Network, b.TCP = address(udp, "502"), "udp", t
		if t.Framing != modbus.TCP { // a datagram has no place in a stream of bytes
			m.Get("framing").Problemf("over udp there is only mbap: remove it, or use tcp")
		}
	case secure.Present():
		t.Address, t.TLS, b.TCP = address(secure, "802"), &files, t // the registered port of Modbus/TCP Security
	}
	if b.TCP != nil {
		refuseKeys(m, serialKeys, "is for serial: remove it")
	}
	if present == 1 && !secure.Present() {
		refuseKeys(m, tlsKeys, "is for tls: remove it, or write tls instead of tcp")
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
		Baud:       m.Get("baud").Int(9600, 50, 4_000_000),
		Parity:     m.Get("parity").OneOf("none", "none", "even", "odd", "mark", "space"),
		DataBits:   m.Get("data_bits").Int(8, 7, 8),
		StopBits:   m.Get("stop_bits").Int(1, 1, 2),
		Mode:       framing(m.Get("mode"), "rtu", "rtu", "ascii"),
		Echo:       m.Get("echo").Bool(false),
		RS485:      rs485(m.Get("rs485")),
		DTR:        m.Get("dtr").OneOf("", "on", "off"),
		RTS:        m.Get("rts").OneOf("", "on", "off"),
		LowLatency: m.Get("low_latency").Bool(false),
		FrameGap:   m.Get("frame_gap").Duration(0, 10*time.Microsecond, time.Second),
	}
	s.Path, _ = n.Text()
	if baud := m.Get("baud"); baud.Present() && s.Baud > 0 && !slices.Contains(usualBauds, strconv.Itoa(s.Baud)) {
		baud.Warnf("%d is no usual baud rate: most devices and ports cannot do it%s", s.Baud, didYouMean(baud, usualBauds))
	}
	if s.Mode == modbus.RTU && s.DataBits != 8 { // [Serial 2.5.1]
		m.Get("data_bits").Problemf("RTU needs 8 data bits: write 8, or mode: ascii")
	}
	if s.Mode == modbus.ASCII && s.FrameGap > 0 {
		m.Get("frame_gap").Problemf("ASCII frames have a beginning and an end of their own and need no gap: remove it, or write delay")
	}
	if s.RS485 != nil && s.RTS != "" {
		m.Get("rts").Problemf("with rs485 the driver switches RTS: remove one of the two")
	}
	return s
}

// rs485 reads true, false, auto or a mapping; nil leaves the driver as it is.
func rs485(n strictyaml.Node) *RS485 {
	const most = 100 * time.Millisecond // what Linux takes
	if !n.IsMap() {
		switch n.OneOf("false", "true", "false", "auto", "a mapping with rts_on_send, delay_before and delay_after") {
		case "true":
			return &RS485{RTSOnSend: true}
		case "auto":
			return &RS485{RTSOnSend: true, Auto: true}
		}
		return nil
	}
	m := n.Map()
	defer m.Done()
	delay := func(key string) time.Duration {
		d := m.Get(key).Duration(0, 0, most)
		if d%time.Millisecond != 0 {
			m.Get(key).Problemf("drivers count in whole milliseconds: write 1ms or more")
		}
		return d
	}
	return &RS485{RTSOnSend: m.Get("rts_on_send").Bool(true), DelayBefore: delay("delay_before"), DelayAfter: delay("delay_after")}
}

// readTCP reads what all connections over a network have.
func readTCP(m *strictyaml.Map) *TCP {
	t := &TCP{
		Network:  "tcp",
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

// address reads host:port; the port can be left out.
func address(n strictyaml.Node, port string) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	host, given, err := net.SplitHostPort(text)
	if err != nil { // no port
		host, given = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), port
	}
	bad := strings.ContainsAny(host, " \t\n/[]") || strings.Contains(host, ":") && net.ParseIP(withoutZone(host)) == nil
	if host == "" || bad || !isPort(given, 1) {
		n.Problemf("expected host:port, got %s: write it as in 10.0.0.5:%s", n.Shown(), port)
		return ""
	}
	return net.JoinHostPort(host, given)
}

func withoutZone(host string) string {
	host, _, _ = strings.Cut(host, "%")
	return host
}

// SameConnection reports whether two buses reach their devices over one connection.
func (t *TCP) SameConnection(other *TCP) bool {
	return t.sameAddress(other) && t.Framing == other.Framing && sameTLS(t.TLS, other.TLS)
}

func (t *TCP) sameAddress(other *TCP) bool {
	return t.Address != "" && t.Address == other.Address && t.Network == other.Network
}

func (t *TCP) clashes(other *TCP) bool { return t.sameAddress(other) && !t.SameConnection(other) }

func sameTLS(a, b *TLS) bool { return a == b || a != nil && b != nil && *a == *b }
