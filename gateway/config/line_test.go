package config_test

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
)

func TestSerialLines(t *testing.T) {
	for text, want := range map[string]config.Serial{
		"serial: /dev/x": {},
		"serial: /dev/x, mode: ascii, data_bits: 7, parity: even": {Mode: modbus.ASCII, DataBits: 7, Parity: "even"},
		"serial: /dev/x, rs485: true":                             {RS485: &config.RS485{RTSOnSend: true}},
		"serial: /dev/x, rs485: false, rts: off, dtr: on":         {RTS: "off", DTR: "on"},
		"serial: /dev/x, rs485: auto, low_latency: true":          {RS485: &config.RS485{Auto: true, RTSOnSend: true}, LowLatency: true},
		"serial: /dev/x, rs485: {}":                               {RS485: &config.RS485{RTSOnSend: true}},
		"serial: /dev/x, rs485: {rts_on_send: false, delay_before: 1ms, delay_after: 20ms}": {
			RS485: &config.RS485{DelayBefore: time.Millisecond, DelayAfter: 20 * time.Millisecond},
		},
		"serial: /dev/x, baud: 115200, frame_gap: 304us": {Baud: 115200, FrameGap: 304 * time.Microsecond},
	} {
		want.Path, want.StopBits = "/dev/x", 1
		if want.Baud == 0 {
			want.Baud = 9600
		}
		if want.DataBits == 0 {
			want.DataBits, want.Parity, want.Mode = 8, "none", modbus.RTU
		}
		if b := parse(t, minimal(text, "")).Buses[0]; !reflect.DeepEqual(*b.Serial, want) || b.Turnaround != 100*time.Millisecond {
			t.Errorf("%s\ngot  %+v\nwant %+v", text, *b.Serial, want)
		}
	}
}

func TestAnUnusualBaudRateIsDoubted(t *testing.T) {
	for baud, says := range map[string]string{
		"96000": "96000 is no usual baud rate: most devices and ports cannot do it: did you mean 9600?",
		"9601":  "did you mean 9600?",
		"12345": "12345 is no usual baud rate",
		"9600":  "", "1200": "", "76800": "", "187500": "", "1000000": "",
	} {
		c := parse(t, minimal("serial: /dev/x, baud: "+baud, ""))
		switch {
		case says == "" && len(c.Warnings) > 0:
			t.Errorf("baud %s: %v", baud, c.Warnings)
		case says != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, says)):
			t.Errorf("baud %s: warnings %v, want %q", baud, c.Warnings, says)
		}
		if got := strconv.Itoa(c.Buses[0].Serial.Baud); got != baud {
			t.Errorf("baud %s is taken as %s", baud, got)
		}
	}
	if c := parse(t, minimal("serial: /dev/x", "")); len(c.Warnings) > 0 {
		t.Errorf("no baud rate: %v", c.Warnings)
	}
}

func TestNetworkLines(t *testing.T) {
	ca, cert, key := filepath.FromSlash("conf/ca.pem"), filepath.FromSlash("conf/c.pem"), filepath.FromSlash("conf/c.key")
	for text, want := range map[string]config.TCP{
		"tcp: h":                                 {Network: "tcp", Address: "h:502", Framing: modbus.TCP, InFlight: 1},
		"udp: h, in_flight: 2":                   {Network: "udp", Address: "h:502", Framing: modbus.TCP, InFlight: 2},
		"tls: h":                                 {Network: "tcp", Address: "h:802", TLS: &config.TLS{}, Framing: modbus.TCP, InFlight: 1},
		"tls: 'h:99', framing: rtu":              {Network: "tcp", Address: "h:99", TLS: &config.TLS{}, Framing: modbus.RTU, InFlight: 1},
		"tls: '::1', framing: ascii, ca: ca.pem": {Network: "tcp", Address: "[::1]:802", TLS: &config.TLS{CA: ca}, Framing: modbus.ASCII, InFlight: 1},
		"tls: h, ca: ca.pem, cert: c.pem, key: c.key, server_name: plc": {
			Network: "tcp", Address: "h:802", TLS: &config.TLS{CA: ca, Cert: cert, Key: key, ServerName: "plc"}, Framing: modbus.TCP, InFlight: 1,
		},
	} {
		c := parse(t, minimal(text, ""), "conf/ca.pem", "conf/c.pem", "conf/c.key")
		if !reflect.DeepEqual(*c.Buses[0].TCP, want) || len(c.Warnings) > 0 {
			t.Errorf("%s\ngot  %+v\nwant %+v", text, *c.Buses[0].TCP, want)
		}
	}
	if c := parse(t, minimal("tcp: h, framing: rtu, turnaround: 200ms", "")); c.Buses[0].Turnaround != 200*time.Millisecond {
		t.Errorf("turnaround %v", c.Buses[0].Turnaround)
	}
}

func TestSameConnection(t *testing.T) {
	for text, want := range map[string]bool{
		"tcp: 'h:502', in_flight: 4":  true,
		"tcp: h, delay: 1s, queue: 5": true,
		"tcp: h, framing: rtu":        false,
		"udp: h":                      false,
		"tls: 'h:502'":                false,
		"tcp: 'h:503'":                false,
	} {
		c := parse(t, minimal("tcp: h", "  c: {"+text+"}"))
		if got := c.Buses[0].TCP.SameConnection(c.Buses[1].TCP); got != want {
			t.Errorf("tcp: h and %s: %v", text, got)
		}
		if got := c.Buses[1].TCP.SameConnection(c.Buses[0].TCP); got != want {
			t.Errorf("%s and tcp: h: %v", text, got)
		}
	}
	same := parse(t, minimal("tls: h, server_name: a", "  c: {tls: 'h:802', server_name: a}"))
	if !same.Buses[0].TCP.SameConnection(same.Buses[1].TCP) || len(same.Warnings) > 0 {
		t.Error("the same files are not the same connection")
	}
}
