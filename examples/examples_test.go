package examples_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const patience = 20 * time.Second // a program is started on a busy machine

// place is what "modferry demo --json" says of itself.
type place struct {
	MQTT, WebSocket, HTTP string
	Request, Response     string
}

// demo runs what all examples talk to, on free ports.
func demo(t *testing.T) place {
	t.Helper()
	p := gatewaytest.Start(t, "demo", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--modbus", "127.0.0.1:0", "--json")
	var at place
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// hostPort returns what is between "//" and the path.
func hostPort(t *testing.T, address string) (host, port string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), u.Port()
}

// output runs an example in its folder and returns what it prints, which has to match all patterns.
func output(t *testing.T, dir string, patterns []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).Match(out) {
			t.Errorf("%s prints nothing like %s:\n%s", dir, p, out)
		}
	}
}

func TestPython(t *testing.T) {
	t.Parallel()
	python := gatewaytest.NeedPython(t, "paho.mqtt.client")
	host, port := hostPort(t, demo(t).MQTT)
	output(t, "python", []string{
		`^reading modferry/demo/device/sensor/temperature \{"value":\d`, `^values \d+\.\d °C, \d+\.\d %$`, `^write .+ \(outcome: refused\)$`,
	}, python, "ask.py", host, port)
}

func TestGo(t *testing.T) {
	t.Parallel()
	host, port := hostPort(t, demo(t).MQTT)
	output(t, "go", []string{`^values \[\d+ \d+\]$`, `^write refused no rule `}, "go", "run", ".", "-broker", "tcp://"+host+":"+port)
}

func TestCurl(t *testing.T) {
	t.Parallel()
	gatewaytest.Need(t, "curl")
	at := demo(t)
	watch := gatewaytest.Client(t, at.WebSocket, gatewaytest.ClientOptions{})
	watch.Subscribe("modferry/demo/device/sensor/temperature", 1).Next(patience) // or there is no reading yet
	output(t, "curl", []string{
		`^\{"sensor":\{.*"temperature":\{"value":\d`, `^\{"value":\d.*"quality":"good"`, `^01 04 04( [0-9A-F]{2}){4}$`,
		`^\{"ok":true,"frame":"010404.*"values":\[\d+,\d+\]`, `^ 01 04 04( [0-9a-f]{2}){6}$`, `^403 denied refused$`,
	}, "sh", "ask.sh", strings.TrimSuffix(at.HTTP, "/"))
}

func TestNodeWithClient(t *testing.T) {
	t.Parallel()
	node := gatewaytest.Need(t, "node")
	if _, err := os.Stat("node/node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/node/package.json names")
	}
	output(t, "node", []string{`^reading -?\d+(\.\d)? °C good$`, `^values \d+ \d+$`, `^write denied refused$`}, node, "client.mjs", demo(t).WebSocket)
}

// The flow runs in the real Node-RED.
func TestNodeRED(t *testing.T) {
	t.Parallel()
	node := gatewaytest.Need(t, "node")
	if _, err := os.Stat("node-red/node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/node-red/package.json names")
	}
	flow, err := os.ReadFile("node-red/flows.json")
	if err != nil {
		t.Fatal(err)
	}
	_, port := hostPort(t, demo(t).MQTT)
	changed := strings.Replace(string(flow), `"port": 1883`, `"port": `+port, 1)
	if changed == string(flow) {
		t.Fatal("the flow has no port 1883")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "flows.json")
	settings := filepath.Join(dir, "settings.js") // no editor: nothing listens
	for name, text := range map[string]string{file: changed, settings: "module.exports = { httpAdminRoot: false, httpNodeRoot: false, uiHost: '127.0.0.1', uiPort: 0 }\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := gatewaytest.StartProgram(t, node, "node-red/node_modules/node-red/red.js", "--userDir", dir, "--settings", settings, file)
	shown := p.Line("[debug:temperature] ")
	if !regexp.MustCompile(`\] \d+(\.\d)?$`).MatchString(strings.TrimSpace(shown)) {
		t.Errorf("the flow shows %q", shown)
	}
	p.Line("[debug:reading]")
}

// The page works in a browser, from a server that knows nothing of it.
func TestWebPage(t *testing.T) {
	t.Parallel()
	node, browser := gatewaytest.Need(t, "node"), gatewaytest.Need(t, "chromium")
	for _, folder := range []string{"node/node_modules/paho-mqtt", "../gateway/console/testdata/browser/node_modules/playwright-core"} {
		if _, err := os.Stat(folder); err != nil {
			gatewaytest.Missing(t, folder)
		}
	}
	at := demo(t)
	server := httptest.NewServer(http.FileServer(http.Dir(".")))
	defer server.Close()
	elsewhere := httptest.NewServer(http.FileServer(http.Dir(pageElsewhere(t))))
	defer elsewhere.Close()
	for _, page := range []string{server.URL + "/web/", elsewhere.URL + "/"} {
		output(t, ".", []string{
			`^state gateway online$`, `^temperature -?\d+(\.\d)? °C$`, `^quality good$`,
			`^reply "01 04 04( [0-9A-F]{2}){6}\\n\d+, \d+"$`, `^reply "no rule of this bus`, `^reply ".*hex digit`,
		}, node, "testdata/page.cjs", browser, page+"?broker="+url.QueryEscape(at.WebSocket), t.TempDir())
	}
	text, err := os.ReadFile("web/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 50 {
		t.Errorf("the page of 50 lines has %d", lines)
	}
}

// pageElsewhere does what the README of the page says for a page of one's own, and returns its folder.
func pageElsewhere(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("web/README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?s)```sh\n(mkdir .*?)python3 .*?```").FindSubmatch(text)
	if commands == nil {
		t.Fatal("the README of the page no longer says how to take it elsewhere")
	}
	dir := t.TempDir()
	for _, folder := range []string{"client", "node", "web"} {
		from, err := filepath.Abs(folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(from, filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
	}
	output(t, dir, nil, "sh", "-e", "-c", string(commands[1]))
	return filepath.Join(dir, "page")
}
