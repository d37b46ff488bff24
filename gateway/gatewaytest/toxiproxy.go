package gatewaytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

// Direction is the way of data that a [Proxy] troubles.
type Direction string

// Directions, as seen by the client that connects to the proxy.
const (
	Up   Direction = "upstream"   // from the client to the server
	Down Direction = "downstream" // from the server to the client
)

// Proxy is a running toxiproxy in front of one server. What troubles a connection
// adds up until [Proxy.Clear], and holds for connections that exist already, too.
type Proxy struct {
	Addr string // host:port to connect to instead of the server

	t      testing.TB
	api    string // URL of its HTTP API
	toxics atomic.Int64
}

const proxyName = "test"

// Toxiproxy puts a proxy in front of the server at upstream (host:port), which need
// not listen yet. It ends with the test.
func Toxiproxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	program := must(t, toxiproxyServer)
	for range 3 { // another process may take a free port first
		api := fmt.Sprint(FreePort(t))
		process := launch(t, exec.Command(program, "-host", "127.0.0.1", "-port", api))
		t.Cleanup(func() { process.Kill(); process.show() })
		p := &Proxy{t: t, api: "http://127.0.0.1:" + api}
		if p.up(process) {
			p.create(upstream)
			return p
		}
	}
	t.Fatal("toxiproxy cannot be started")
	return nil
}

// up waits until the API answers, and reports whether it does.
func (p *Proxy) up(process *Process) bool {
	for end := time.Now().Add(acceptTimeout); time.Now().Before(end); time.Sleep(acceptPoll) {
		select {
		case <-process.ended:
			return false
		default:
		}
		if p.call(http.MethodGet, "/version", nil, nil) == nil {
			return true
		}
	}
	return false
}

func (p *Proxy) create(upstream string) {
	p.t.Helper()
	var made struct{ Listen string }
	p.must(http.MethodPost, "/proxies", map[string]any{"name": proxyName, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
	p.Addr = made.Listen
}

func (p *Proxy) must(method, path string, body, result any) {
	p.t.Helper()
	if err := p.call(method, path, body, result); err != nil {
		p.t.Fatalf("toxiproxy: %v", err)
	}
}

// call makes a request of the API.
func (p *Proxy) call(method, path string, body, result any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, p.api+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: acceptTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, reply.Status, text)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(text, result)
}

func (p *Proxy) toxic(kind string, d Direction, attributes map[string]any) {
	p.t.Helper()
	name := fmt.Sprint(kind, p.toxics.Add(1))
	p.must(http.MethodPost, "/proxies/"+proxyName+"/toxics", map[string]any{"name": name, "type": kind, "stream": d, "attributes": attributes}, nil)
}

// Latency delays all data by latency, more or less jitter; whole milliseconds.
func (p *Proxy) Latency(d Direction, latency, jitter time.Duration) {
	p.t.Helper()
	p.toxic("latency", d, map[string]any{"latency": latency.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Slice cuts data into pieces of size bytes, more or less variation (which is less
// than size), with a pause of whole microseconds after each.
func (p *Proxy) Slice(d Direction, size, variation int, pause time.Duration) {
	p.t.Helper()
	p.toxic("slicer", d, map[string]any{"average_size": size, "size_variation": variation, "delay": pause.Microseconds()})
}

// Reset cuts a connection with a TCP reset, after a delay in whole milliseconds from
// the next data that goes in the direction.
func (p *Proxy) Reset(d Direction, after time.Duration) {
	p.t.Helper()
	p.toxic("reset_peer", d, map[string]any{"timeout": after.Milliseconds()})
}

// Blackhole lets nothing through, and tells neither side. Its end, by [Proxy.Clear],
// closes the connections that it troubled.
func (p *Proxy) Blackhole(d Direction) {
	p.t.Helper()
	p.toxic("timeout", d, map[string]any{"timeout": 0})
}

// LimitData closes each connection after so many bytes from now on.
func (p *Proxy) LimitData(d Direction, bytes int) {
	p.t.Helper()
	p.toxic("limit_data", d, map[string]any{"bytes": bytes})
}

// Bandwidth lets only so many kilobytes through in a second.
func (p *Proxy) Bandwidth(d Direction, kilobytes int) {
	p.t.Helper()
	p.toxic("bandwidth", d, map[string]any{"rate": kilobytes})
}

// Clear ends all trouble, and lets clients in again.
func (p *Proxy) Clear() {
	p.t.Helper()
	p.must(http.MethodPost, "/reset", nil, nil)
}

// Disable closes all connections, and refuses new ones.
func (p *Proxy) Disable() { p.t.Helper(); p.enable(false) }

// Enable lets clients in again, on the same port.
func (p *Proxy) Enable() { p.t.Helper(); p.enable(true) }

func (p *Proxy) enable(on bool) {
	p.t.Helper()
	p.must(http.MethodPatch, "/proxies/"+proxyName, map[string]any{"enabled": on}, nil)
}

// Target sends new connections to another server, and closes those there are.
func (p *Proxy) Target(upstream string) {
	p.t.Helper()
	p.must(http.MethodPatch, "/proxies/"+proxyName, map[string]any{"upstream": upstream, "enabled": true}, nil)
}
