package dtu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/broker"
	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
	"modferry/simulator"
	"modferry/simulator/dtu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// server runs an MQTT server until the test ends, or stop.
func server(t *testing.T, listen string, users map[string]broker.User) (address string, stop func()) {
	t.Helper()
	b, err := broker.New(broker.Options{Listen: listen, Users: users})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return b.Addr().String(), stop
}

func device(t *testing.T, o dtu.Options, framing modbus.Framing) *simulator.Simulator {
	t.Helper()
	p, err := profile.Parse("x.yaml", []byte("title: x\nreadings: {a: {holding: 0, type: uint16, count: 10}}\nregisters: {a: {initial: 7}}"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := simulator.New(simulator.Options{Profile: p, Unit: 1, Framing: framing})
	if err != nil {
		t.Fatal(err)
	}
	opening, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.OpenMQTT(opening, o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the simulator ended with %v", err)
		}
	})
	return s
}

var (
	question = modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, 2)}
	answer   = modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{4, 0, 7, 0, 7}}}
)

// A request in one message is answered in one message, as bytes or as hex, and what
// is no request, or for nobody, is not.
func TestRequestsAndResponses(t *testing.T) {
	rtu := modbus.AppendRTU(nil, question)
	reply := modbus.AppendRTU(nil, answer)
	for name, c := range map[string]struct {
		hex       bool
		framing   modbus.Framing
		say, want string
		junk      []string
	}{
		"bytes": {false, modbus.RTU, string(rtu), string(reply), []string{"", "\x01", "\x02" + string(rtu[1:])}},
		"hex":   {true, modbus.RTU, "01 03 00 00 00 02 c4 0b", "010304000700070A30", []string{"xyz", "0", "02 03 00 00 00 02 c4 38"}},
		"ASCII": {false, modbus.ASCII, string(modbus.AppendASCII(nil, question)), string(modbus.AppendASCII(nil, answer)), []string{":0203", "01"}},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := server(t, "127.0.0.1:0", nil)
			client := gatewaytest.Client(t, "tcp://"+address, gatewaytest.ClientOptions{})
			client.Publish("dtu/down", 1, true, c.say) // from before: no request
			device(t, dtu.Options{URL: "mqtt://" + address, Request: "dtu/down", Response: "dtu/up", Hex: c.hex, QoS: 1}, c.framing)
			box := client.Subscribe("dtu/up", 1)
			for _, junk := range c.junk {
				client.Publish("dtu/down", 1, false, junk)
			}
			for range 3 {
				client.Publish("dtu/down", 1, false, c.say)
				if m := box.Next(patience); string(m.Payload) != c.want || m.Retained {
					t.Errorf("%q, want %q", m.Payload, c.want)
				}
			}
			if len(box.Messages()) > 0 {
				t.Errorf("more was said: %q", box.Next(patience).Payload)
			}
		})
	}
}

// After the server was away, requests are heard again.
func TestConnectionComesBack(t *testing.T) {
	address, stop := server(t, "127.0.0.1:0", nil)
	device(t, dtu.Options{URL: "mqtt://" + address, Request: "down", Response: "up"}, modbus.RTU)
	stop()
	server(t, address, nil)
	client := gatewaytest.Client(t, "tcp://"+address, gatewaytest.ClientOptions{})
	box := client.Subscribe("up", 0)
	end := time.Now().Add(patience)
	for {
		client.Publish("down", 0, false, modbus.AppendRTU(nil, question))
		select {
		case m := <-box.Messages():
			if !bytes.Equal(m.Payload, modbus.AppendRTU(nil, answer)) {
				t.Errorf("% X", m.Payload)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("no request is answered any more")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	address, _ := server(t, "127.0.0.1:0", map[string]broker.User{"u": {Password: "correct", Topics: []string{"#"}}, "few": {Password: "correct", Topics: []string{"b"}}})
	for want, o := range map[string]dtu.Options{
		"such as mqtt://127.0.0.1:1883":     {URL: address, Request: "a", Response: "b"},
		"not allow to subscribe to a":       {URL: "mqtt://few:correct@" + address, Request: "a", Response: "b"},
		"not Authorized":                    {URL: "mqtt://u:wrong@" + address, Request: "a", Response: "b", ClientID: "c"},
		"MQTT server: dial tcp 127.0.0.1:1": {URL: "mqtt://127.0.0.1:1", Request: "a", Response: "b"},
		"must begin with mqtt://":           {URL: "http://" + address, Request: "a", Response: "b"},
		"name a host":                       {URL: "mqtt://", Request: "a", Response: "b"},
		"is no topic":                       {URL: "mqtt://h", Request: "a/+", Response: "b"},
		`"" is no topic`:                    {URL: "mqtt://h", Request: "a"},
		"two topics":                        {URL: "mqtt://h", Request: "a", Response: "a"},
		"must be 0 or 1":                    {URL: "mqtt://h", Request: "a", Response: "b", QoS: 2},
		"cannot reach":                      {URL: "mqtt://u:wrong@" + address, Request: "a", Response: "b"},
		"cannot be read":                    {URL: "mqtt://u:secret@h:x", Request: "a", Response: "b"},
	} {
		line, err := dtu.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%v; want %q", err, want)
		}
		if err == nil {
			line.Close()
		}
	}
	for _, o := range []dtu.Options{{URL: "mqtt://u:correct@" + address}, {URL: "mqtt://" + address, Username: "u", Password: "correct"}} {
		o.Request, o.Response = "a", "b"
		line, err := dtu.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		line.Close()
		if _, err := line.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := line.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

// A configuration names the server and the topics; the device's state is that of its
// other faces.
func TestConfiguration(t *testing.T) {
	address, _ := server(t, "127.0.0.1:0", map[string]broker.User{"u": {Password: "p", Topics: []string{"#"}}})
	c, err := simulator.ParseConfig("x.yaml", []byte(`
devices: [{tables: {holding: 10}}]
tcp: :0
mqtt: {url: "mqtt://`+address+`", request: a/down, response: a/up, payload: hex, qos: 1, username: u, password: p, client_id: dtu-1}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if s.Places().MQTT != "a/down" {
		t.Errorf("%+v", s.Places())
	}
	client := gatewaytest.Client(t, "tcp://"+address, gatewaytest.ClientOptions{User: "u", Password: "p"})
	box := client.Subscribe("a/up", 1)
	write := fmt.Sprintf("%X", modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 6, Data: []byte{0, 3, 0, 7}}}))
	client.Publish("a/down", 1, false, write)
	if m := box.Next(patience); string(m.Payload) != write || m.QoS != 1 {
		t.Errorf("%q, QoS %d", m.Payload, m.QoS)
	}
	line := transport.NewTCP(transport.TCPOptions{Address: s.Places().TCP, Timeout: patience})
	defer line.Close()
	if b, err := modbus.NewClient(modbus.TCP.Packager(1), line).ReadHoldingRegisters(3, 1); err != nil || !bytes.Equal(b, []byte{0, 7}) {
		t.Errorf("% X, %v", b, err)
	}
	c.MQTT.Password = "wrong"
	if _, err := simulator.Open(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "cannot reach the MQTT server") {
		t.Error(err)
	}
}
