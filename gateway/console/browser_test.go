package console_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const browserTimeout = 2 * time.Minute

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
	args := []string{"run.mjs", gatewaytest.Start(t, "demo", "--json", "--mqtt", ":0", "--http", ":0", "--modbus", ":0").Line("{"), chromium}
	for _, file := range files {
		if name := filepath.Base(file); !slices.Contains([]string{"run.mjs", "harness.mjs"}, name) {
			args = append(args, name)
		}
	}
	report(t, dir, exec.CommandContext(t.Context(), node, args...))
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
		}
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			t.Errorf("%v: %s", err, lines.Text())
			continue
		}
		t.Run(result.Name, func(t *testing.T) {
			t.Logf("%d ms", result.MS)
			if !result.OK {
				t.Error(result.Error)
			}
		})
	}
	if err := run.Wait(); err != nil || ran == 0 {
		t.Errorf("%d tests ran: %v\n%s", ran, err, complaints.Bytes())
	}
}
