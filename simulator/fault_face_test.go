//go:build linux || darwin

package simulator_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/broker"
	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
	"modferry/simulator/dtu"
	"modferry/simulator/wire"
)

// station is a client of one face.
type station struct {
	testing.TB
	*simulator.Simulator
	framing modbus.Framing
	line    io.ReadWriter
	next    uint16 // transaction id
}

// faceNames are the faces that every fault is tried on.
var faceNames = slices.Concat(ofTCP, ofRTU, ofASCII)

// ofTCP, ofRTU and ofASCII are the faces with these frames, ofConnections those that
// can be closed.
var (
	ofTCP         = []string{"tcp", "tls", "udp"}
	ofRTU         = []string{"pty RTU", "serial", "rtu_over_tcp", "memory", "mqtt", "mqtt hex"}
	ofASCII       = []string{"pty ASCII", "ascii_over_tcp", "mqtt ASCII"}
	ofConnections = []string{"tcp", "tls", "rtu_over_tcp", "ascii_over_tcp"}
)

// framingOf returns the frames of a face.
func framingOf(face string) modbus.Framing {
	switch {
	case slices.Contains(ofRTU, face):
		return modbus.RTU
	case slices.Contains(ofASCII, face):
		return modbus.ASCII
	}
	return modbus.TCP
}

// packets reads what comes in datagrams as one stream.
type packets struct {
	*bufio.Reader
	net.Conn
}

func (p packets) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// messages are the payloads on two topics, as one stream.
type messages struct {
	*gatewaytest.Peer
	box  *gatewaytest.Inbox
	hex  bool
	rest []byte
}

func (m *messages) Write(b []byte) (int, error) {
	payload := slices.Clone(b)
	if m.hex {
		payload = fmt.Appendf(nil, "%X", b)
	}
	m.Publish("dtu/down", 1, false, payload)
	return len(b), nil
}

func (m *messages) Read(b []byte) (int, error) {
	if len(m.rest) == 0 {
		select {
		case got := <-m.box.Messages():
			m.rest = got.Payload
		case <-time.After(patience):
			return 0, os.ErrDeadlineExceeded
		}
		if m.hex {
			var err error
			if m.rest, err = hex.DecodeString(string(m.rest)); err != nil {
				return 0, err
			}
		}
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// overMQTT adds a DTU's face to a simulator, and returns a client of it.
func overMQTT(t *testing.T, s *simulator.Simulator, hex bool) *messages {
	t.Helper()
	b, err := broker.New(broker.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := gatewaytest.Client(t, "tcp://"+b.Addr().String(), gatewaytest.ClientOptions{})
	opening, opened := context.WithTimeout(t.Context(), patience)
	defer opened()
	if err := s.OpenMQTT(opening, dtu.Options{URL: "mqtt://" + b.Addr().String(), Request: "dtu/down", Response: "dtu/up", Hex: hex, QoS: 1}); err != nil {
		t.Fatal(err)
	}
	return &messages{Peer: client, box: client.Subscribe("dtu/up", 1), hex: hex}
}

// secured returns a TLS connection to a simulator, which runs from then on.
func secured(t *testing.T, s *simulator.Simulator) io.ReadWriter {
	t.Helper()
	files := certificates(t)
	address, err := s.ListenTLS(":0", files)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	config, err := transport.TLSFiles{CA: files.Cert, Cert: files.Cert, Key: files.Key}.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.ServerName = "127.0.0.1"
	conn := tls.Client(dial(t, address.String()), config)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// onFace returns a client of a face of a device that measures 30.5 °C and 54.6 %.
func onFace(t *testing.T, face string) *station {
	t.Helper()
	o := simulator.Options{Profile: xymd02(t), Unit: 1, Calls: 100}
	c := &station{TB: t, framing: framingOf(face)}
	if c.framing == modbus.ASCII {
		o.Framing = modbus.ASCII
	}
	if strings.HasPrefix(face, "pty") {
		c.Simulator, c.line = ptyLine(t, o)
		pin(t, c.Simulator, 30.5)
		return c
	}
	c.Simulator = newSimulator(t, o)
	switch face {
	case "tcp":
		address := tcp(t, c.Simulator)
		run(t, c.Simulator)
		c.line = dial(t, address)
	case "tls":
		c.line = secured(t, c.Simulator)
	case "udp":
		address, err := c.ListenUDP(":0")
		if err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		conn, err := net.Dial("udp", address.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		c.line = packets{bufio.NewReader(conn), conn}
	case "rtu_over_tcp", "ascii_over_tcp":
		address, err := c.ListenStream(":0", c.framing)
		if err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		c.line = dial(t, address.String())
	case "memory":
		line := wire.New()
		if err := c.Join(line.Join()); err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		client := line.Join()
		if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		c.line = client
	case "serial":
		port, client := serialPort(t)
		if err := c.OpenSerial(transport.SerialOptions{Path: port.Name()}); err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		c.line = client
	case "mqtt", "mqtt hex", "mqtt ASCII":
		c.line = overMQTT(t, c.Simulator, face == "mqtt hex")
		run(t, c.Simulator)
	default:
		t.Fatalf("there is no face %s", face)
	}
	pin(t, c.Simulator, 30.5)
	return c
}

var (
	askBoth   = modbus.ReadRequest(modbus.ReadInputRegisters, 1, 2)
	replyBoth = modbus.PDU{FunctionCode: modbus.ReadInputRegisters, Data: []byte{4, 1, 0x31, 2, 0x22}}

	// The last word of a test: nothing that is not expected can have been said before its reply.
	askLast   = modbus.ReadRequest(modbus.ReadHoldingRegisters, 0x102, 1)
	replyLast = modbus.PDU{FunctionCode: modbus.ReadHoldingRegisters, Data: []byte{2, 0x25, 0x80}}
)

func (c *station) frame(transaction uint16, unit byte, p modbus.PDU) []byte {
	return c.framing.Append(nil, modbus.ADU{Transaction: transaction, Unit: unit, PDU: p})
}

// say sends a request and returns its transaction id.
func (c *station) say(unit byte, p modbus.PDU) uint16 {
	c.Helper()
	c.next++
	id := c.next
	if c.framing != modbus.TCP {
		id = 0
	}
	if _, err := c.line.Write(c.frame(id, unit, p)); err != nil {
		c.Fatal(err)
	}
	return id
}

// hears asks for both values, and for the last word, and checks all that is heard.
func (c *station) hears(want func(transaction uint16) []byte) {
	c.Helper()
	wanted := want(c.say(1, askBoth))
	wanted = append(wanted, c.frame(c.say(1, askLast), 1, replyLast)...)
	c.expect(wanted)
}

func (c *station) expect(wanted []byte) {
	c.Helper()
	heard := make([]byte, len(wanted))
	if n, err := io.ReadFull(c.line, heard); err != nil || !bytes.Equal(heard, wanted) {
		c.Fatalf("heard % X, %v\nwant  % X\n(%q)", heard[:n], err, wanted, heard[:n])
	}
}

func (c *station) fault(text string) simulator.FaultState {
	c.Helper()
	f, err := simulator.ParseFault([]byte(text))
	if err != nil {
		c.Fatal(err)
	}
	added, err := c.AddFaults(f)
	if err != nil {
		c.Fatal(err)
	}
	return added[0]
}
