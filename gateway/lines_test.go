package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

// serveLine is a device at the far end of a line until the test ends.
func serveLine(t *testing.T, line io.ReadWriteCloser, framing modbus.Framing) {
	t.Helper()
	s := server.New(server.Options{Handler: server.HandlerFunc(func(unit byte, p modbus.PDU) (modbus.PDU, bool) {
		return (&device{}).answer(modbus.ADU{Unit: unit, PDU: p})
	})})
	serve := s.ServeRTU
	if framing == modbus.ASCII {
		serve = s.ServeASCII
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = serve(ctx, line) }) // ends with the test or the connection
	t.Cleanup(func() { cancel(); line.Close(); serving.Wait() })
}

// converter is a TCP port that passes bytes on to a device on a serial line.
func converter(t *testing.T, framing modbus.Framing) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	acceptLines(t, l, framing)
	return l.Addr().String()
}

// port is a serial port with a device at its other end.
func port(t *testing.T, framing modbus.Framing) (path string) {
	t.Helper()
	near, far := gatewaytest.PTYPair(t)
	f, err := os.OpenFile(far, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	serveLine(t, f, framing)
	return near
}

// The same requests over every kind of line, with the same answers: the line's
// framing is nothing an app needs to know.
func TestEveryKindOfLine(t *testing.T) {
	for name, bus := range map[string]func() string{
		"Modbus TCP":     func() string { return fmt.Sprintf("tcp: %q, in_flight: 4", newDevice(t).addr) },
		"RTU over TCP":   func() string { return fmt.Sprintf("tcp: %q, framing: rtu", converter(t, modbus.RTU)) },
		"ASCII over TCP": func() string { return fmt.Sprintf("tcp: %q, framing: ascii", converter(t, modbus.ASCII)) },
		"serial RTU":     func() string { return fmt.Sprintf("serial: %q, baud: 115200", port(t, modbus.RTU)) },
		"serial ASCII":   func() string { return fmt.Sprintf("serial: %q, mode: ascii", port(t, modbus.ASCII)) },
	} {
		t.Run(name, func(t *testing.T) {
			app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  b: {%s, timeout: 500ms, allow: [{}]}\n", bus()))
			in := app.Subscribe("modferry/w/bus/b/+/me", 2)
			for request, want := range map[string]string{
				"010400010002200B":         "010404000100022B85",
				":010400010002F8":          ":01040400010002F4",
				"150100000006010400010002": "15010000000701040400010002",
				"010600070009":             "010600070009",
				"0110000100020400010002":   "011000010002",
				"08030001000194 93":        "",
				"080300010001":             "088302",
				"090300010001":             "09830B",
			} {
				kind, reply := ask(t, app, in, request)
				if want == "" {
					if kind != "error" {
						t.Errorf("%s: %s %s", request, kind, reply)
					}
				} else if kind != "response" || reply != want {
					t.Errorf("%s: %s %s, want %s", request, kind, reply, want)
				}
			}
			serial := !strings.Contains(name, "Modbus TCP")
			kind, reply := ask(t, app, in, "F80400010001")
			if serial && (kind != "error" || !strings.Contains(reply, "bad_unit")) || !serial && kind != "response" {
				t.Errorf("unit 248: %s %s", kind, reply)
			}
			kind, reply = ask(t, app, in, "000600010001")
			if serial && (kind != "error" || !strings.Contains(reply, `"broadcast"`)) || !serial && kind != "response" {
				t.Errorf("unit 0: %s %s", kind, reply)
			}
		})
	}
}

func TestBroadcastWhereItIsEnabled(t *testing.T) {
	app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  b: {serial: %q, baud: 115200, broadcast: true, allow: [{}]}\n", port(t, modbus.RTU)))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	app.Publish("modferry/w/bus/b/request/me", 1, false, "000600010001") // as a frame: not answered
	_, reply := ask(t, app, in, `{"id":1,"unit":0,"function":6,"address":1,"values":[1]}`)
	includes(t, reply, `{"id":1,"ok":true,"outcome":"done"}`)
	if _, reply := ask(t, app, in, "010400010001"); reply != "0104020001" {
		t.Errorf("the request after a broadcast got %s", reply)
	}
}

func TestEmbeddedBrokerWithUsers(t *testing.T) {
	d := newDevice(t)
	text := fmt.Sprintf(`
gateway: w
broker:
  mqtt: 127.0.0.1:0
  users:
    panel: {password: "p", topics: ["modferry/w/bus/b/+/panel", "modferry/w/status"]}
buses: {b: {tcp: %q, allow: [{clients: [panel]}]}}
`, d.addr)
	app := startAs(t, "", text, gatewaytest.ClientOptions{User: "panel", Password: "p"})
	in := app.Subscribe("modferry/w/bus/b/response/panel", 1)
	app.Publish("modferry/w/bus/b/request/panel", 1, false, "010600010001")
	if m := in.Next(patience); string(m.Payload) != "010600010001" {
		t.Errorf("got %q", m.Payload)
	}
}
