package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// nodeClients are the example scripts for app developers, and the form of what they exchange.
var nodeClients = map[string]struct{ binary bool }{
	"mqttjs.mjs":       {binary: false},
	"mqttjs-4.1.0.cjs": {binary: false},
	"paho.mjs":         {binary: true},
}

const examples = "../../examples/node"

// node runs one of the examples and returns the reply it printed.
func node(t *testing.T, script string, args ...string) string {
	t.Helper()
	program := gatewaytest.Need(t, "node")
	if _, err := os.Stat(filepath.Join(examples, "node_modules")); err != nil {
		gatewaytest.Missing(t, "what examples/node/package.json names")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, append([]string{script}, args...)...)
	c.Dir = examples
	c.Env = append(os.Environ(), fmt.Sprintf("CLIENT_ID=test-%d", time.Now().UnixNano()))
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	if !regexp.MustCompile(`(?m)^reading \{"value":-?\d`).Match(text) {
		t.Errorf("%s shows no retained reading:\n%s", script, text)
	}
	reply := regexp.MustCompile(`(?m)^reply (\S+)$`).FindSubmatch(text)
	if reply == nil {
		t.Fatalf("%s shows no reply:\n%s", script, text)
	}
	return string(reply[1])
}

// payload is what a client sends or gets for a frame written as hex.
func payload(t *testing.T, frame string, binary bool) string {
	t.Helper()
	if !binary {
		return frame
	}
	b, err := hex.DecodeString(frame)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every example gets its reply from the demo, in the form in which it asked.
func TestNodeClientsWithTheDemo(t *testing.T) {
	p := gatewaytest.Start(t, "demo", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--modbus", "127.0.0.1:0", "--json")
	var at place
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	watch := gatewaytest.Client(t, at.MQTT, gatewaytest.ClientOptions{})
	watch.Subscribe(at.Temperature, 1).Next(patience) // the gateway is up
	for script, client := range nodeClients {
		for _, frame := range []string{"010400010002200B", "010400010002200b"} {
			name := strings.NewReplacer(".", "-").Replace(script)
			replies := watch.Subscribe(at.Response+"/"+name, 2)
			reply := node(t, script, at.WebSocket, at.Request+"/"+name, at.Response+"/"+name, at.Temperature, frame)
			m := replies.Next(patience)
			if want := payload(t, reply, client.binary); string(m.Payload) != want {
				t.Errorf("%s: the reply on the wire is %q, want %q", script, m.Payload, want)
			}
			if !client.binary && (strings.ToLower(reply) == reply) != strings.HasSuffix(frame, "b") {
				t.Errorf("%s: asked as %s, answered as %s", script, frame, reply)
			}
		}
	}
	late := gatewaytest.Client(t, at.WebSocket, gatewaytest.ClientOptions{})
	if m := late.Subscribe(at.Temperature, 1).Next(time.Second); !m.Retained {
		t.Errorf("a new subscriber got %+v, want the retained temperature", m)
	}
}

// One topic for requests and replies, as some apps have it: each client, with its
// own form, still gets one reply to one request, and the gateway never answers itself.
func TestNodeClientsOnOneSharedTopic(t *testing.T) {
	tcp, _ := sensor(t)
	config := `
gateway: shed
mqtt: {url: %q}
buses:
  line: {tcp: %q, request: abc, response: abc}
devices:
  sensor: {bus: line, unit: 1, profile: xy-md02, every: 1s}
%s`
	t.Run("embedded broker", func(t *testing.T) {
		mqtt, http := gatewaytest.FreePort(t), gatewaytest.FreePort(t)
		text := fmt.Sprintf("broker: {mqtt: 127.0.0.1:%d}\nhttp: {listen: 127.0.0.1:%d}\n", mqtt, http)
		gatewaytest.Start(t, "gateway", "-c", write(t, "gateway.yaml",
			fmt.Sprintf(config, fmt.Sprintf("mqtt://127.0.0.1:%d", mqtt), tcp, text)))
		shareTopic(t, fmt.Sprintf("tcp://127.0.0.1:%d", mqtt), fmt.Sprintf("ws://127.0.0.1:%d/mqtt", http))
	})
	t.Run("mosquitto", func(t *testing.T) {
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{WebSocket: true})
		gatewaytest.Start(t, "gateway", "-c", write(t, "gateway.yaml", fmt.Sprintf(config, "mqtt://"+broker.Addr, tcp, "")))
		shareTopic(t, broker.URL(), broker.WSURL())
	})
}

func shareTopic(t *testing.T, url, ws string) {
	t.Helper()
	watch := connectWhenUp(t, url)
	watch.Subscribe("modferry/shed/device/sensor/temperature", 1).Next(patience)
	shared := watch.Subscribe("abc", 2)
	const frame = "010400010002200B"
	for script, client := range nodeClients {
		reply := node(t, script, ws, "abc", "abc", "modferry/shed/device/sensor/temperature", frame)
		for _, want := range []string{frame, reply} {
			if m := shared.Next(patience); string(m.Payload) != payload(t, want, client.binary) {
				t.Errorf("%s: %q on the shared topic, want %q", script, m.Payload, payload(t, want, client.binary))
			}
		}
	}
	shared.Quiet(100 * time.Millisecond)
}

// connectWhenUp connects to a broker that is being started.
func connectWhenUp(t *testing.T, url string) *gatewaytest.Peer {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		p, err := gatewaytest.Connect(t, url, gatewaytest.ClientOptions{})
		if err == nil {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("no broker at %s: %v", url, err)
		}
	}
}
