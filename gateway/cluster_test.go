package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

const clusterPatience = 40 * time.Second // to elect leaders, and to let clients in again

// front is one address for several servers, as a load balancer or a name with several
// addresses gives it: a connection goes to the first server in order that accepts it.
type front struct {
	addr    string
	servers []string

	mu sync.Mutex
	at int // index of the server that accepted last
}

func newFront(t *testing.T, servers ...string) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{addr: l.Addr().String(), servers: servers}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(t.Context(), c) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return f
}

func (f *front) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	upstream := f.dial()
	if upstream == nil {
		return
	}
	defer upstream.Close()
	end := func() { client.Close(); upstream.Close() }
	defer context.AfterFunc(ctx, end)()
	var copying sync.WaitGroup
	copying.Go(func() { defer end(); _, _ = io.Copy(upstream, client) })
	copying.Go(func() { defer end(); _, _ = io.Copy(client, upstream) })
	copying.Wait()
}

func (f *front) dial() net.Conn {
	for i, address := range f.servers {
		if c, err := net.Dial("tcp", address); err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.at = i
			return c
		}
	}
	return nil
}

func (f *front) server() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.servers[f.at]
}

// ledger is a device whose holding registers remember how often each value was
// written, and whose input registers hold a count of the reads.
type ledger struct {
	addr   string
	mu     sync.Mutex
	reads  uint16
	writes map[uint16]int
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &ledger{addr: l.Addr().String(), writes: map[uint16]int{}}
	s := server.New(server.Options{Handler: server.HandlerFunc(d.answer)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeTCP(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

func (d *ledger) answer(_ byte, p modbus.PDU) (modbus.PDU, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch p.FunctionCode {
	case modbus.WriteSingleRegister:
		d.writes[modbus.Registers(p.Data)[1]]++
		return p, true
	case modbus.ReadInputRegisters:
		d.reads++
		return modbus.PDU{FunctionCode: p.FunctionCode, Data: modbus.AppendRegisters([]byte{2}, d.reads)}, true
	}
	return modbus.ExceptionPDU(p.FunctionCode, modbus.IllegalFunction), true
}

func (d *ledger) written() map[uint16]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	written := map[uint16]int{}
	for value, n := range d.writes {
		written[value] = n
	}
	return written
}

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
	app.Subscribe("modferry/w/status", 1).Await(clusterPatience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
}

func clusterGateway(t *testing.T, broker string, device *ledger) string {
	return fmt.Sprintf(`
gateway: w
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
	for i := range 3 {
		var longest, oldest time.Duration
		for range 10 {
			app := gatewaytest.Client(t, nats.URL(i), gatewaytest.ClientOptions{Version: 4})
			begin := time.Now()
			m := app.Subscribe("modferry/w/device/d/count", 1).Next(clusterPatience)
			longest = max(longest, time.Since(begin))
			var reading struct{ Time time.Time }
			if err := json.Unmarshal(m.Payload, &reading); err != nil || !m.Retained {
				t.Fatalf("node %d: retained %v: %s (%v)", i, m.Retained, m.Payload, err)
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

// caller sends numbered writes at a steady rate, each once as its MQTT library does
// it: what is not acknowledged is published again after a reconnect.
type caller struct {
	app   *gatewaytest.Peer
	front *front

	mu      sync.Mutex
	sent    map[uint16]time.Time
	replies map[uint16][]string // payloads by id
	last    time.Time           // of a reply
	pause   time.Duration       // longest between two replies
	wait    time.Duration       // longest from a request to its first reply
}

const callEvery = 20 * time.Millisecond

func newCaller(t *testing.T, f *front) *caller {
	t.Helper()
	c := &caller{front: f, sent: map[uint16]time.Time{}, replies: map[uint16][]string{}}
	c.app = gatewaytest.Client(t, "tcp://"+f.addr, gatewaytest.ClientOptions{ID: "app", Version: 4, Persistent: true, Reconnect: true, Configure: func(o *paho.ClientOptions) {
		o.SetDefaultPublishHandler(c.reply) // by a session that is resumed
		o.SetResumeSubs(true)
		o.SetConnectTimeout(patience)
	}})
	token := c.app.Client.Subscribe("modferry/w/bus/b/response/me", 1, c.reply)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("cannot subscribe: %v", token.Error())
	}
	return c
}

// send publishes until stop is closed.
func (c *caller) send(stop <-chan struct{}) error {
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	var tokens []paho.Token
	for n := uint16(1); ; n++ {
		c.mu.Lock()
		c.sent[n] = time.Now()
		c.mu.Unlock()
		tokens = append(tokens, c.app.Client.Publish("modferry/w/bus/b/request/me", 1, false,
			fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":1,"values":[%d]}`, n, n)))
		select {
		case <-tick.C:
			continue
		case <-stop:
		}
		for _, token := range tokens {
			if !token.WaitTimeout(clusterPatience) {
				return errors.New("a publication was never acknowledged")
			}
			if token.Error() != nil {
				return token.Error()
			}
		}
		return nil
	}
}

func (c *caller) reply(_ paho.Client, m paho.Message) {
	var reply struct{ ID uint16 }
	if json.Unmarshal(m.Payload(), &reply) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.last.IsZero() {
		c.pause = max(c.pause, now.Sub(c.last))
	}
	c.last = now
	if c.replies[reply.ID] == nil {
		c.wait = max(c.wait, now.Sub(c.sent[reply.ID]))
	}
	c.replies[reply.ID] = append(c.replies[reply.ID], string(m.Payload()))
}

// open returns how many requests are without a reply, of those that were sent before
// end, and whether one sent after it has its reply.
func (c *caller) open(end time.Time) (before int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.sent {
		switch answered := c.replies[id] != nil; {
		case at.Before(end) && !answered:
			before++
		case at.After(end) && answered:
			after = true
		}
	}
	return before, after
}

// figures returns the longest pause and wait since it was called last.
func (c *caller) figures() (pause, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause, wait = c.pause, c.wait
	c.pause, c.wait = 0, 0
	return pause, wait
}

// awaitRecovery waits until everything sent before a moment is answered, and something sent after it.
func (c *caller) awaitRecovery(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	for limit := time.Now().Add(clusterPatience); ; time.Sleep(callEvery) {
		before, after := c.open(since)
		if before == 0 && after {
			return time.Since(since)
		}
		if time.Now().After(limit) {
			t.Fatalf("%v later %d earlier requests are without a reply, and a later one is answered: %v", clusterPatience, before, after)
		}
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

// settle compares what was asked, answered and done.
func (c *caller) settle(t *testing.T, device *ledger) {
	t.Helper()
	c.awaitAll(t)
	written := device.written()
	c.mu.Lock()
	defer c.mu.Unlock()
	again := 0
	for id := range c.sent {
		var reply struct{ OK bool }
		for _, text := range c.replies[id] {
			if err := json.Unmarshal([]byte(text), &reply); err != nil || !reply.OK {
				t.Errorf("request %d is answered with %s", id, text)
			}
		}
		again += max(0, len(c.replies[id])-1)
		if written[id] > 1 {
			t.Errorf("request %d was executed %d times", id, written[id])
		}
		if reply.OK && written[id] == 0 {
			t.Errorf("request %d is answered, but was not executed", id)
		}
	}
	t.Logf("%d requests, %d replies came again", len(c.sent), again)
}

func (c *caller) awaitAll(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(clusterPatience); ; time.Sleep(callEvery) {
		before, _ := c.open(time.Now())
		if before == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Errorf("%d requests never got a reply", before)
			return
		}
	}
}
