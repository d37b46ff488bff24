package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"modferry/configs"
	"modferry/simulator"
)

// controllable runs modferry simulator with flags until the test ends, and returns
// where it is, as its ready file says.
func controllable(t *testing.T, f controlFlags) simulator.Places {
	t.Helper()
	f.readyFile = filepath.Join(t.TempDir(), "ready.json")
	all := simulatorFlags{profile: "xy-md02", seed: 1, tcp: "127.0.0.1:0", json: true, controlFlags: f}
	s, err := all.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := all.ready(s.places()); err != nil {
		t.Fatal(err)
	}
	if err := all.greet(&printed, s); err != nil {
		t.Fatal(err)
	}
	alongside(t, s.run)
	text, err := os.ReadFile(f.readyFile)
	if err != nil || string(text) != printed.String() {
		t.Fatalf("the ready file has %s, %v; printed is %s", text, err, printed.String())
	}
	var at simulator.Places
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// ask makes a request to the control and returns the status and the body.
func askControl(t *testing.T, method, url, body, token string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl has it
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestSimulatorWithControl(t *testing.T) {
	file := write(t, "token", "  one-long-word\n")
	at := controllable(t, controlFlags{address: ":0", tokenFile: file, faults: []string{"exception: 6, nth: 2", "{name: mine, delay: 1ms}"}})
	if status, text := askControl(t, "GET", at.Control+"/faults", "", "one-long-word"); status != 200 || !strings.Contains(text, `"name":"mine"`) || !strings.Contains(text, `"exception":6`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := askControl(t, "GET", at.Control+"/faults", "", ""); status != 401 || strings.Contains(text, "one-long") {
		t.Errorf("without the token: %d %s", status, text)
	}
	conn, err := net.Dial("tcp", at.TCP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	ask := "\x00\x01\x00\x00\x00\x06\x01\x03\x01\x03\x00\x01"
	if _, err := io.WriteString(conn, ask+ask); err != nil {
		t.Fatal(err)
	}
	want := "\x00\x01\x00\x00\x00\x05\x01\x03\x02\x00\x00" + "\x00\x01\x00\x00\x00\x03\x01\x83\x06"
	heard := make([]byte, len(want))
	if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != want {
		t.Errorf("heard % X, %v", heard, err)
	}
	if status, text := askControl(t, "GET", at.Control+"/calls/wait?since=1", "", "one-long-word"); status != 200 || !strings.Contains(text, `"exception":6`) {
		t.Errorf("%d %s", status, text)
	}
}

func TestSimulatorControlMistakes(t *testing.T) {
	short := write(t, "short", "abc")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--fault", "dely: 1s"}, exitUsage, "did you mean delay?"},
		{[]string{"--fault", "bad_check: true"}, exitFailed, "none of the faces, which are tcp"},
		{[]string{"--control", "0.0.0.0:0"}, exitFailed, "without a token"},
		{[]string{"--control-token-file", short}, exitUsage, "add --control"},
		{[]string{"--control", ":0", "--control-token-file", short}, exitUsage, "at least 8"},
		{[]string{"--control", ":0", "--control-token-file", short + "-none"}, exitUsage, "no such file"},
		{[]string{"--ready-file", filepath.Join(short, "x")}, exitFailed, "--ready-file"},
	} {
		code, _, errs := modferry(t, append([]string{"simulator", "--tcp", "127.0.0.1:0"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "abc") {
			t.Errorf("%v: exit code %d\n%s", tt.args, code, errs)
		}
	}
}

// What the page says of faults and control is so: its configuration is good, the
// examples in its tables are faults, and its requests are carried out as they stand.
func TestSimulatorPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, block := range blocks(page, "yaml") {
		if !strings.HasPrefix(block, "devices:") {
			continue
		}
		c, err := simulator.ParseConfig("simulator.md", []byte(block), configs.Files)
		if err != nil {
			t.Error(err)
		} else if strings.Contains(block, "faults:") && len(c.Faults) != 3 {
			t.Errorf("%+v", c.Faults)
		}
	}
	keys := faultKeys(t)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `((\\w+): [^`]+)` \\|").FindAllStringSubmatch(page, -1) {
		if m[1] != m[3] {
			t.Errorf("%s has the example %s", m[1], m[2])
		}
		if _, err1 := simulator.ParseFault([]byte(m[2])); err1 != nil {
			if _, err2 := simulator.ParseFault([]byte(m[2] + ", delay: 1s")); err2 != nil {
				t.Errorf("%s: %v; %v", m[2], err1, err2)
			}
		}
		delete(keys, m[1])
	}
	delete(keys, "name")
	if len(keys) > 0 {
		t.Errorf("these keys of a fault are not in the tables: %v", keys)
	}
	at := controllable(t, controlFlags{address: ":0"})
	requests := regexp.MustCompile(`(?m)^curl (?:-X (\w+) )?"?http://127.0.0.1:8081([^ "\n]+)"?(?: -d '(.*)')?$`).FindAllStringSubmatch(page, -1)
	if n := strings.Count(page, "\ncurl "); len(requests) != n || n < 10 {
		t.Fatalf("%d of %d requests are understood", len(requests), n)
	}
	for _, m := range requests {
		method, path, body := m[1], m[2], m[3]
		if method == "" {
			method = "GET"
		}
		if strings.HasPrefix(path, "/calls/wait") { // someone writes
			if code, _, errs := modferry(t, "send", "--tcp", at.TCP, "01 06 0103 0005"); code != exitGood {
				t.Fatal(errs)
			}
		}
		if status, text := askControl(t, method, at.Control+path, body, ""); status >= 300 {
			t.Errorf("%s: %d %s", m[0], status, text)
		}
	}
}

// faultKeys returns all keys that a fault can have, from the control's document.
func faultKeys(t *testing.T) map[string]bool {
	t.Helper()
	at := controllable(t, controlFlags{address: ":0"})
	_, text := askControl(t, "GET", at.Control+"/openapi.json", "", "")
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for key := range doc.Components.Schemas["Fault"].Properties {
		keys[key] = true
	}
	return keys
}
