package console_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const browserTimeout = 5 * time.Minute

// TestBrowser uses the console of a running demo as a person does, with a headless
// chromium. The tests are in testdata/browser: run.mjs, a file for each tab.
// SCREENSHOTS, a folder, gets pictures; ONLY, a part of a name, picks tests.
func TestBrowser(t *testing.T) {
	chromium, node := gatewaytest.Need(t, "chromium"), gatewaytest.Need(t, "node")
	dir := filepath.Join("testdata", "browser")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		gatewaytest.Missing(t, "the npm packages of "+dir+" are not installed")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"run.mjs", addresses(t), chromium}
	for _, file := range files {
		if name := filepath.Base(file); !slices.Contains([]string{"run.mjs", "harness.mjs"}, name) {
			args = append(args, name)
		}
	}
	report(t, dir, exec.CommandContext(t.Context(), node, args...))
}

// addresses starts a demo, and beside it a gateway with users, and returns what the
// demo says, with the other's address as
// "guarded" and the program's path as "binary".
func addresses(t *testing.T) string {
	t.Helper()
	var demo map[string]any
	line := gatewaytest.Start(t, "demo", "--json", "--mqtt", ":0", "--http", ":0", "--modbus", ":0").Line("{")
	if err := json.Unmarshal([]byte(line), &demo); err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), gatewaytest.FreePort(t)
	file := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("gateway: shed\ndata_dir: %[1]s\nbroker: {mqtt: 127.0.0.1:%[2]d, users: {ann: {password: s3cret, topics: [abc, modferry/shed/#]}, app: {password: other}, panel: {password: knob, topics: modferry/shed/bus/line/request/panel, read: [modferry/shed/bus/line/response/panel, modferry/shed/bus/line/error/panel, modferry/shed/device/#, modferry/shed/status]}}}\n"+
		"http: {listen: 127.0.0.1:%[3]d, users: {ann: {password: s3cret}, eve: {password: evening}, panel: {password: knob}}}\nbuses: {line: {tcp: %[4]s}, router: {tcp: %[4]s, payload: line}, fixed: {tcp: %[4]s, request: abc, response: abc, payload: hex}}\n"+
		"devices: {sensor: {bus: line, unit: 1, profile: xy-md02, every: 1s}}\n", dir, gatewaytest.FreePort(t), port, demo["modbus"])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Start(t, "gateway", "-c", file)
	demo["binary"] = gatewaytest.Binary(t)
	demo["guarded"] = fmt.Sprintf("http://127.0.0.1:%d/", port)
	for end := time.Now().Add(browserTimeout / 4); ; {
		if r, err := http.Get(demo["guarded"].(string) + "readyz"); err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the gateway with users is not ready")
		}
		time.Sleep(20 * time.Millisecond)
	}
	http.DefaultClient.CloseIdleConnections()
	all, err := json.Marshal(demo)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// report runs the tests, each of which is a line of JSON.
func report(t *testing.T, dir string, run *exec.Cmd) {
	t.Helper()
	var complaints bytes.Buffer
	run.Dir, run.Stderr, run.WaitDelay = dir, &complaints, time.Second
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(browserTimeout, func() { _ = run.Process.Kill() })
	defer late.Stop()
	ran := 0
	for lines := bufio.NewScanner(out); lines.Scan(); ran++ {
		var result struct {
			Name, Error string
			OK          bool
			MS          int
			Notes       []string
		}
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			t.Errorf("%v: %s", err, lines.Text())
			continue
		}
		t.Run(result.Name, func(t *testing.T) {
			t.Logf("%d ms %s", result.MS, strings.Join(result.Notes, "; "))
			if !result.OK {
				t.Error(result.Error)
			}
		})
	}
	if err := run.Wait(); err != nil || ran == 0 {
		t.Errorf("%d tests ran: %v\n%s", ran, err, complaints.Bytes())
	}
}
