package gatewaytest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	healthTimeout = 30 * time.Second // from the start of a node to its part in the cluster
	healthPoll    = 50 * time.Millisecond
)

// Cluster is a running NATS server that speaks MQTT 3.1.1, or several that are one:
// a client of any node reaches the clients, sessions and retained messages of all.
type Cluster struct {
	t       testing.TB
	program string
	mqtt    []string // further settings of MQTT
	nodes   []*node
}

type node struct {
	name, dir              string
	client, route, monitor string // host:port
	mqtt, websocket        string
	process                *Process
}

// NATS starts a cluster of n nodes, each a process of its own with JetStream below
// the test's temporary directory, that works when NATS returns, and ends with the
// test. Settings such as "ack_wait: 5s" are added to each node's for MQTT.
func NATS(t testing.TB, n int, settings ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, program: NATSServer(t), mqtt: settings}
	_ = t.TempDir() // so that it is removed after the nodes have ended
	t.Cleanup(c.end)
	var err error
	for range 3 { // another process may take a free port first
		c.end()
		c.arrange(n)
		if err = c.start(); err == nil {
			return c
		}
		t.Logf("NATS did not start: %v", err)
	}
	t.Fatalf("NATS cannot be started: %v", err)
	return nil
}

// arrange gives each node its ports and its configuration file.
func (c *Cluster) arrange(n int) {
	c.t.Helper()
	c.nodes = nil
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", FreePort(c.t)) }
	for i := range n {
		c.nodes = append(c.nodes, &node{
			name: fmt.Sprintf("node-%d", i), dir: c.t.TempDir(),
			client: address(), route: address(), monitor: address(), mqtt: address(), websocket: address(),
		})
	}
	for _, n := range c.nodes {
		if err := os.WriteFile(n.config(), []byte(c.text(n)), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (n *node) config() string { return filepath.Join(n.dir, "nats.conf") }

// text returns the configuration of a node.
func (c *Cluster) text(n *node) string {
	lines := []string{
		"server_name: " + n.name,
		"listen: " + n.client,
		"http: " + n.monitor,
		"reconnect_error_reports: 3600, connect_error_reports: 3600", // a try a second to reach a killed node is no news
		fmt.Sprintf("jetstream {store_dir: %q, max_memory_store: 64MB, max_file_store: 256MB}", n.dir),
		"websocket {listen: " + n.websocket + ", no_tls: true}",
		"mqtt {", "listen: " + n.mqtt, fmt.Sprint("stream_replicas: ", min(len(c.nodes), 3)),
	}
	lines = append(append(lines, c.mqtt...), "}")
	if len(c.nodes) > 1 {
		var routes []string
		for _, other := range c.nodes {
			routes = append(routes, "nats-route://"+other.route)
		}
		lines = append(lines, "cluster {name: test, listen: "+n.route+", routes: ["+strings.Join(routes, ", ")+"]}")
	}
	return strings.Join(lines, "\n") + "\n"
}

// start runs every node and waits until they are one.
func (c *Cluster) start() error {
	c.t.Helper()
	for _, n := range c.nodes {
		c.launch(n)
	}
	for _, n := range c.nodes {
		if err := n.healthy(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) launch(n *node) {
	c.t.Helper()
	n.process = launch(c.t, exec.Command(c.program, "-c", n.config()))
}

// healthy waits until the node says that it is, which is when it has found the
// cluster's leader and has caught up.
func (n *node) healthy() error {
	client := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	state := "no answer"
	for end := time.Now().Add(healthTimeout); time.Now().Before(end); time.Sleep(healthPoll) {
		select {
		case <-n.process.ended:
			return fmt.Errorf("%s has ended:\n%s", n.name, n.process.stderr)
		default:
		}
		reply, err := client.Get("http://" + n.monitor + "/healthz")
		if err != nil {
			continue
		}
		reply.Body.Close()
		if reply.StatusCode == http.StatusOK {
			return nil
		}
		state = reply.Status
	}
	return fmt.Errorf("%s is not healthy after %v (%s):\n%s", n.name, healthTimeout, state, n.process.stderr)
}

func (c *Cluster) end() {
	for _, n := range c.nodes {
		if n.process != nil {
			n.process.Kill()
			n.process.show()
		}
	}
}

// Addr returns host:port of node i for MQTT over TCP.
func (c *Cluster) Addr(i int) string { return c.nodes[i].mqtt }

// URL returns the address of node i for an MQTT client.
func (c *Cluster) URL(i int) string { return "tcp://" + c.Addr(i) }

// WSURL returns the WebSocket address of node i for an MQTT client.
func (c *Cluster) WSURL(i int) string { return "ws://" + c.nodes[i].websocket + "/mqtt" }

// Kill ends node i at once, as a power cut does.
func (c *Cluster) Kill(i int) { c.nodes[i].process.Kill() }

// Stop ends node i in order.
func (c *Cluster) Stop(i int) { c.nodes[i].process.Stop() }

// Restart starts node i again, with what it has on disk, after ending it at once if
// it runs, and returns when it is part of the cluster.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	n := c.nodes[i]
	n.process.Kill()
	c.launch(n)
	if err := n.healthy(); err != nil {
		c.t.Fatalf("NATS does not start again: %v", err)
	}
}
