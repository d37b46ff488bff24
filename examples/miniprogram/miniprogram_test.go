package miniprogram_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const (
	patience = 10 * time.Second
	longest  = 3 * time.Minute // of all node tests at one place, on a busy machine
)

// place is what the node tests need to know, with the keys of "modferry demo --json".
type place struct {
	WebSocket string `json:"websocket"`
	MQTT      string `json:"mqtt"`
	Gateway   string `json:"gateway"`
	Bus       string `json:"bus"`
	Device    string `json:"device"`
	QoS       int    `json:"qos"` // of replies
}

// run runs node tests, by the names of their files, at a place. The app trusts the
// certificates in a file, if there is one.
func run(t *testing.T, at place, certificates string, names ...string) {
	t.Helper()
	program := gatewaytest.Need(t, "node")
	if _, err := os.Stat(filepath.Join("node_modules", "ws")); err != nil {
		gatewaytest.Missing(t, "what examples/miniprogram/package.json names")
	}
	gateway := gatewaytest.Client(t, at.MQTT, gatewaytest.ClientOptions{})
	gateway.Subscribe(fmt.Sprintf("modferry/%s/device/%s/temperature", at.Gateway, at.Device), 1).Next(patience) // it is up
	text, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	tests := []string{"--test", "--test-reporter=spec"}
	for _, name := range names {
		tests = append(tests, filepath.Join("test", name+".test.mjs"))
	}
	if out, err := build(); err != nil {
		t.Fatalf("node build.mjs: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	c := exec.CommandContext(ctx, program, tests...)
	c.Env = append(os.Environ(), "MODFERRY_PLACE="+string(text), "NODE_EXTRA_CA_CERTS="+certificates)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("node %v: %v\n%s", tests, err, out)
	}
}

// build puts the packages into the app, once for all tests.
var build = sync.OnceValues(func() ([]byte, error) { return exec.Command("node", "build.mjs").CombinedOutput() })

// The mini-program works with the demo as it is.
func TestWithTheDemo(t *testing.T) {
	t.Parallel()
	run(t, demo(t), "", "files", "websocket", "packages", "pages", "life", "resume")
}

func demo(t *testing.T) place {
	t.Helper()
	p := gatewaytest.Start(t, "demo", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--modbus", "127.0.0.1:0", "--json")
	at := place{QoS: 1}
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// As on a phone: wss, with a server before the broker that ends TLS.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	at := demo(t)
	broker, err := url.Parse(at.WebSocket)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: broker.Host}))
	t.Cleanup(front.Close)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	at.WebSocket = strings.Replace(front.URL, "https", "wss", 1) + "/mqtt"
	run(t, at, file, "pages")
}

// With replies at QoS 2 there are more steps at which a connection can be cut.
func TestWithTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	mqtt, http := gatewaytest.FreePort(t), gatewaytest.FreePort(t)
	broker := fmt.Sprintf("mqtt: {qos: 2}\nbroker: {mqtt: 127.0.0.1:%d}\nhttp: {listen: 127.0.0.1:%d}\n", mqtt, http)
	at := place{Gateway: "shed", Bus: "line", Device: "sensor", QoS: 2,
		MQTT: fmt.Sprintf("mqtt://127.0.0.1:%d", mqtt), WebSocket: fmt.Sprintf("ws://127.0.0.1:%d/mqtt", http)}
	gateway(t, at, broker)
	run(t, at, "", "resume")
}

func TestWithMosquitto(t *testing.T) {
	t.Parallel()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{WebSocket: true, NoDelay: true})
	for qos, name := range map[int]string{1: "shed", 2: "barn"} {
		t.Run(fmt.Sprintf("replies at QoS %d", qos), func(t *testing.T) {
			t.Parallel()
			at := place{Gateway: name, Bus: "line", Device: "sensor", QoS: qos, MQTT: "mqtt://" + broker.Addr, WebSocket: broker.WSURL()}
			gateway(t, at, fmt.Sprintf("mqtt: {url: %q, qos: %d}\n", at.MQTT, qos))
			if qos == 1 {
				run(t, at, "", "packages", "pages", "life")
			}
			run(t, at, "", "resume")
		})
	}
}

// gateway starts one with a virtual sensor whose registers may be written, as the demo has it.
func gateway(t *testing.T, at place, broker string) {
	t.Helper()
	p := gatewaytest.Start(t, "simulator", "--profile", "xy-md02", "--tcp", "127.0.0.1:0", "--json")
	var sensor struct{ TCP string }
	if err := json.Unmarshal([]byte(p.Line("{")), &sensor); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := fmt.Sprintf(`
gateway: %s
data_dir: %q
%sbuses:
  %s: {tcp: %q, allow: [{units: [1], functions: [write], addresses: [0x0101-0x0104]}]}
devices:
  %s: {bus: %s, unit: 1, profile: xy-md02, every: 1s}
`, at.Gateway, filepath.Join(dir, "data"), broker, at.Bus, sensor.TCP, at.Device, at.Bus)
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Start(t, "gateway", "-c", file)
	end := time.Now().Add(patience)
	for time.Now().Before(end) { // the embedded broker starts with it
		if c, err := gatewaytest.Connect(t, at.MQTT, gatewaytest.ClientOptions{}); err == nil {
			c.Disconnect(0)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no broker at %s", at.MQTT)
}
