package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// Every piece of JavaScript in the README runs, and prints what its comments say.
func TestReadmeRuns(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ WebSocket string }
	if err := json.Unmarshal([]byte(demo(t)), &at); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```js\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 4 {
		t.Fatalf("only %d pieces of code found", len(blocks))
	}
	for _, block := range blocks {
		code := strings.ReplaceAll(string(block[1]), "ws://127.0.0.1:8080/mqtt", at.WebSocket)
		out := node(t, nil, "--input-type=module", "--eval", code)
		for _, said := range regexp.MustCompile(`(?m)console\.log.* // (.*)$`).FindAllStringSubmatch(code, -1) {
			if !strings.Contains("\n"+out, "\n"+said[1]+"\n") {
				t.Errorf("no line %q is printed, but\n%s", said[1], out)
			}
		}
	}
}

// The package can be packed, installed, and used from both kinds of modules.
func TestPackageInstalls(t *testing.T) {
	t.Parallel()
	npm := gatewaytest.Need(t, "npm")
	dir := t.TempDir()
	run := func(where string, args ...string) string {
		t.Helper()
		var out, complaints bytes.Buffer
		c := exec.CommandContext(t.Context(), args[0], args[1:]...)
		c.Dir, c.Stdout, c.Stderr = where, &out, &complaints
		if err := c.Run(); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, &out, &complaints)
		}
		return out.String()
	}
	run(".", npm, "pack", "--ignore-scripts", "--pack-destination", dir)
	packed, err := filepath.Glob(filepath.Join(dir, "modferry-client-*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("packed %v (%v)", packed, err)
	}
	app := filepath.Join(dir, "app")
	if err := os.Mkdir(app, 0o700); err != nil {
		t.Fatal(err)
	}
	run(app, npm, "install", "--offline", "--no-audit", "--no-fund", packed[0])
	program := gatewaytest.Need(t, "node")
	const frame = `.hex(m.request({ unit: 1, function: 4, address: 1, quantity: 2 })))`
	for _, code := range []string{
		"import * as m from 'modferry-client'; console.log(m" + frame,
		"const m = require('modferry-client'); console.log(m" + frame,
	} {
		kind := "commonjs"
		if strings.HasPrefix(code, "import") {
			kind = "module"
		}
		if out := run(app, program, "--input-type="+kind, "--eval", code); out != "010400010002200B\n" {
			t.Errorf("%s prints %q", code, out)
		}
	}
	installed := filepath.Join(app, "node_modules", "modferry-client")
	for _, file := range []string{"LICENSE", "README.md", "modferry.d.ts", "miniprogram_dist/index.js"} {
		if _, err := os.Stat(filepath.Join(installed, file)); err != nil {
			t.Errorf("the package lacks %s", file)
		}
	}
	if _, err := os.Stat(filepath.Join(installed, "test")); err == nil {
		t.Error("the package has the tests in it")
	}
}
