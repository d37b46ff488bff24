package config

import (
	"net"

	"modferry/configs/strictyaml"
	"modferry/modbus/transport"
	"modferry/simulator/dtu"
)

// faces reads how the devices of a line are reached.
func (d *decoder) faces(m *strictyaml.Map, c *Config) {
	c.TCP, c.UDP = decodeAddress(m.Get("tcp")), decodeAddress(m.Get("udp"))
	c.RTUOverTCP, c.ASCIIOverTCP = decodeAddress(m.Get("rtu_over_tcp")), decodeAddress(m.Get("ascii_over_tcp"))
	c.TLS = d.tls(m.Get("tls"))
	c.PTY = m.Get("pty").String("")
	c.Serial = decodeSerial(m)
	c.MQTT = decodeMQTT(m.Get("mqtt"))
	if n := m.Node(); n.IsMap() && !c.Reached() {
		n.Problemf("nothing reaches the devices: add tcp (127.0.0.1:5020), pty (/tmp/ttyMODBUS), serial (/dev/ttyUSB1), udp, rtu_over_tcp, ascii_over_tcp, tls or mqtt")
	}
}

// Reached reports whether the configuration names a face.
func (c *Config) Reached() bool {
	for _, place := range []string{c.TCP, c.UDP, c.RTUOverTCP, c.ASCIIOverTCP, c.PTY} {
		if place != "" {
			return true
		}
	}
	return c.TLS != nil || c.Serial != nil || c.MQTT != nil
}

// decodeAddress reads a place to listen at.
func decodeAddress(n strictyaml.Node) string {
	address := n.String("")
	if _, _, err := net.SplitHostPort(address); err != nil && address != "" {
		n.Problemf("expected host:port such as 127.0.0.1:5020, got %s", n.Shown())
	}
	return address
}

func (d *decoder) tls(n strictyaml.Node) *TLSOptions {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	o := &TLSOptions{Address: decodeAddress(m.Need("listen")), ServerTLS: ServerTLS{
		Cert: d.path(m.Need("cert").String("")), Key: d.path(m.Need("key").String("")), ClientCA: d.path(m.Get("client_ca").String("")),
	}}
	d.later = append(d.later, func() {
		if _, err := o.Config(); err != nil {
			n.Problemf("%v", err)
		}
	})
	return o
}

func decodeMQTT(n strictyaml.Node) *dtu.Options {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	o := &dtu.Options{
		URL: m.Need("url").String(""), Request: m.Need("request").String(""), Response: m.Need("response").String(""),
		Hex:      m.Get("payload").OneOf("binary", "binary", "hex") == "hex",
		QoS:      byte(m.Get("qos").Int(0, 0, 1)),
		ClientID: m.Get("client_id").String(""),
		Username: m.Get("username").String(""), Password: m.Get("password").String(""),
	}
	if o.URL == "" || o.Request == "" || o.Response == "" {
		return o // already reported
	}
	if err := o.Check(); err != nil {
		n.Problemf("%v", err)
	}
	return o
}

// decodeSerial reads the port and its settings, which are the first device's unless they are given.
func decodeSerial(m *strictyaml.Map) *transport.SerialOptions {
	o := &transport.SerialOptions{
		Path:     m.Get("serial").String(""),
		Baud:     m.Get("baud").Int(0, 50, 4_000_000),
		Parity:   m.Get("parity").OneOf("", "none", "even", "odd", "mark", "space"),
		DataBits: m.Get("data_bits").Int(0, 5, 8),
		StopBits: m.Get("stop_bits").Int(0, 1, 2),
	}
	if o.Path != "" {
		return o
	}
	for _, key := range []string{"baud", "parity", "data_bits", "stop_bits"} {
		if n := m.Get(key); n.Present() {
			n.Problemf("only a serial port has this setting: add serial with its path, or remove this")
		}
	}
	return nil
}
