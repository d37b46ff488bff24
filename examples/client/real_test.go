package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// demo starts "modferry demo" and returns the JSON line that says where it is.
func demo(t *testing.T) string {
	t.Helper()
	gatewaytest.Need(t, "node")
	return gatewaytest.Start(t, "demo", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--modbus", "127.0.0.1:0", "--json").Line("{")
}

// config writes a configuration of a gateway named shed.
func config(t *testing.T, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "gateway: shed\ndata_dir: " + t.TempDir() + "\n" + fmt.Sprintf(format, args...)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientsWithTheDemo(t *testing.T) {
	t.Parallel()
	node(t, []string{"PLACE=" + demo(t)}, "--test", "test/clients.test.mjs")
}

func TestClientsWithMosquitto(t *testing.T) {
	t.Parallel()
	var at struct{ Modbus string }
	if err := json.Unmarshal([]byte(demo(t)), &at); err != nil {
		t.Fatal(err)
	}
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{WebSocket: true})
	gatewaytest.Start(t, "gateway", "-c", config(t, `
mqtt: {url: "mqtt://%s"}
buses:
  line: {tcp: %q, allow: [{functions: [write], addresses: [0x0101-0x0104]}]}
devices:
  sensor: {bus: line, unit: 1, profile: xy-md02, every: 1s}
`, broker.Addr, at.Modbus))
	place := fmt.Sprintf(`{"gateway":"shed","bus":"line","device":"sensor","unit":1,"mqtt":"mqtt://%s","websocket":%q}`, broker.Addr, broker.WSURL())
	node(t, []string{"PLACE=" + place}, "--test", "test/clients.test.mjs")
}

// slowDevice is a Modbus TCP server that answers when it is told to.
type slowDevice struct {
	listener net.Listener
	requests atomic.Int32
	asked    chan struct{} // one for each request
	release  chan struct{} // closed when it may answer
	once     sync.Once
	running  sync.WaitGroup
}

func (d *slowDevice) answer() { d.once.Do(func() { close(d.release) }) }

func newSlowDevice(t *testing.T) *slowDevice {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &slowDevice{listener: listener, asked: make(chan struct{}, 100), release: make(chan struct{})}
	d.running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			d.running.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() { // after the gateway's end
		listener.Close()
		d.answer()
		d.running.Wait()
	})
	return d
}

// serve ends with the gateway, which closes its connection.
func (d *slowDevice) serve(c net.Conn) {
	defer c.Close()
	request := make([]byte, 12) // both requests that these tests make have this length
	for {
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		d.requests.Add(1)
		d.asked <- struct{}{}
		<-d.release
		answer := request // function 6 repeats its request
		if request[7] == 4 {
			answer = append(append([]byte{}, request[:4]...), 0, 7, request[6], 4, 4, 1, 0x31, 2, 0x22)
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// The broker is killed while the device works on a request, and comes back empty.
func TestBrokerKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, library := range []string{"MQTT.js 5", "MQTT.js 4.1.0", "paho-mqtt 1.1.0"} {
		for _, what := range []string{"read", "write"} {
			t.Run(library+" "+what, func(t *testing.T) { cut(t, library, what) })
		}
	}
}

func cut(t *testing.T, library, what string) {
	t.Parallel()
	program := gatewaytest.Need(t, "node")
	if _, err := os.Stat("node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/client/package.json names")
	}
	device := newSlowDevice(t)
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{WebSocket: true})
	gatewaytest.Start(t, "gateway", "-c", config(t, "mqtt: {url: \"mqtt://%s\"}\nbuses:\n  line: {tcp: %q, timeout: 20s, allow: [{functions: [write]}]}\n",
		broker.Addr, device.listener.Addr().String()))
	app := gatewaytest.StartProgram(t, program, "test/cut.mjs", library, broker.WSURL(), what)
	app.Line("connected")
	select {
	case <-device.asked:
	case <-time.After(patience):
		t.Fatal("the device is not asked")
	}
	broker.Restart()
	device.answer()

	result := app.Line(`{"ok":`)
	if n := device.requests.Load(); n != 1 {
		t.Errorf("the device was asked %d times", n)
	}
	switch {
	case what == "read" && result != `{"ok":true,"values":[305,546]}`:
		t.Errorf("the read ended in %s", result)
	case what == "write" && result != `{"ok":true,"outcome":"done"}` &&
		(!strings.Contains(result, `"code":"timeout","outcome":"unknown"`) || !strings.Contains(result, "connection to the broker was lost")):
		t.Errorf("the write ended in %s", result)
	}
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	chromium := gatewaytest.Need(t, "chromium")
	node(t, []string{"PLACE=" + demo(t)}, "test/browser.mjs", chromium)
}

// A broker that does not let the app read its replies is told from one where nobody answers.
func TestSubscriptionRefused(t *testing.T) {
	t.Parallel()
	gatewaytest.Need(t, "node")
	port, web := gatewaytest.FreePort(t), gatewaytest.FreePort(t)
	gatewaytest.Start(t, "gateway", "-c", config(t, `
broker: {mqtt: "127.0.0.1:%d", users: {panel: {password: secret, topics: [elsewhere/#]}}}
http: {listen: "127.0.0.1:%d"}
buses:
  line: {tcp: %q}
`, port, web, newSlowDevice(t).listener.Addr().String()))
	for _, library := range []string{"MQTT.js 5", "MQTT.js 4.1.0", "paho-mqtt 1.1.0"} {
		out := node(t, nil, "test/denied.mjs", library, fmt.Sprintf("ws://127.0.0.1:%d/mqtt", web))
		if !strings.HasPrefix(out, `{"code":"subscription","outcome":"refused",`) || !strings.Contains(out, "modferry/shed/bus/line/response/app") {
			t.Errorf("%s: %s", library, out)
		}
	}
}
