package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const clusterPatience = 40 * time.Second // to elect leaders, and to let clients in again

// startProgram runs the program with a configuration, and waits until an app at url sees it online.
func startProgram(t *testing.T, url, yaml string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Start(t, "gateway", "-c", file)
	app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{Version: 4})
	defer app.Close()
	app.Subscribe("modferry/cluster/status", 1).Await(clusterPatience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
}

func clusterGateway(t *testing.T, broker string, device *ledger) string {
	return fmt.Sprintf(`
gateway: cluster
data_dir: %q
mqtt: {url: "mqtt://%s", client_id: gateway}
buses: {b: {tcp: %q, queue: 1024, allow: [{}]}}
devices: {d: {bus: b, unit: 1, every: 200ms, readings: {count: {input: 1, type: uint16}}}}
`, t.TempDir(), broker, device.addr)
}

// A reading published at one node is there for who comes to another.
func TestClusterKeepsReadingsAtEveryNode(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	nats := gatewaytest.NATS(t, 3)
	device := newLedger(t)
	startProgram(t, nats.URL(0), clusterGateway(t, nats.Addr(0), device))
	first := gatewaytest.Client(t, nats.URL(0), gatewaytest.ClientOptions{Version: 4}).Subscribe("modferry/cluster/device/d/count", 1)
	for range 3 { // from now on one is kept
		first.Next(clusterPatience)
	}
	for i := range 3 {
		var longest, oldest time.Duration
		for range 10 {
			app := gatewaytest.Client(t, nats.URL(i), gatewaytest.ClientOptions{Version: 4})
			begin := time.Now()
			m := app.Subscribe("modferry/cluster/device/d/count", 1).Await(clusterPatience, func(m gatewaytest.Message) bool { return m.Retained })
			longest = max(longest, time.Since(begin))
			var reading struct{ Time time.Time }
			if err := json.Unmarshal(m.Payload, &reading); err != nil {
				t.Fatalf("node %d: %s (%v)", i, m.Payload, err)
			}
			oldest = max(oldest, time.Since(reading.Time))
			app.Close()
		}
		t.Logf("node %d: the retained reading came within %v of subscribing, and was then at most %v old (sampled every 200 ms)",
			i, longest.Round(time.Millisecond), oldest.Round(time.Millisecond))
		if oldest > patience {
			t.Errorf("node %d: a retained reading was %v old", i, oldest)
		}
	}
}

// One node of three that is left takes no message that it would have to keep.
func TestClusterNeedsItsMajority(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	nats := gatewaytest.NATS(t, 3)
	app := gatewaytest.Client(t, nats.URL(0), gatewaytest.ClientOptions{Version: 4})
	in := app.Subscribe("a", 1)
	app.Publish("a", 1, false, "with three")
	in.Next(patience)
	nats.Kill(1)
	nats.Kill(2)
	if app.Client.Publish("a", 1, false, "with one").WaitTimeout(3 * time.Second) {
		t.Error("a publication at QoS 1 is acknowledged by one node of three")
	}
}

// Three nodes, one of them killed under load in turn: no request is lost, and none is executed twice.
func TestClusterLosesANodeUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers, killed in turn")
	}
	nats := gatewaytest.NATS(t, 3, "ack_wait: 5s", "js_api_timeout: 2s")
	index := map[string]int{nats.Addr(0): 0, nats.Addr(1): 1, nats.Addr(2): 2}
	device := newLedger(t)
	gatewaySide := newFront(t, nats.Addr(0), nats.Addr(2), nats.Addr(1))
	appSide := newFront(t, nats.Addr(1), nats.Addr(2), nats.Addr(0))
	startProgram(t, nats.URL(1), clusterGateway(t, gatewaySide.addr, device))
	c := newCaller(t, appSide)

	stop, sending := make(chan struct{}), make(chan error, 1)
	go func() { sending <- c.send(stop) }()
	c.awaitRecovery(t, time.Now())
	for _, victim := range []struct {
		name string
		node func() int
	}{
		{"the gateway's node", func() int { return index[gatewaySide.server()] }},
		{"the app's node", func() int { return index[appSide.server()] }},
		{"a third node", func() int { // of three, one is neither's
			i := 0
			for i == index[gatewaySide.server()] || i == index[appSide.server()] {
				i++
			}
			return i
		}},
	} {
		c.figures()
		i := victim.node()
		killed := time.Now()
		nats.Kill(i)
		took := c.awaitRecovery(t, killed)
		pause, wait := c.figures()
		t.Logf("%s (%d) killed: all was answered again after %v; longest pause between replies %v, longest wait for a reply %v",
			victim.name, i, took.Round(time.Millisecond), pause.Round(time.Millisecond), wait.Round(time.Millisecond))
		nats.Restart(i)
		c.awaitRecovery(t, time.Now())
	}
	close(stop)
	if err := <-sending; err != nil {
		t.Errorf("the app: %v", err)
	}
	c.settle(t, device)
}
