package client_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"modferry/examples/client"
	"modferry/gateway/gatewaytest"
)

const patience = 2 * time.Minute // for a script of this folder on a busy machine

// node runs a script of this folder; extra are environment variables. What it prints is returned.
func node(t *testing.T, extra []string, args ...string) string {
	t.Helper()
	program := gatewaytest.Need(t, "node")
	if _, err := os.Stat("node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/client/package.json names")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), extra...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What is published is what src says.
func TestPublishedFilesAreFresh(t *testing.T) {
	t.Parallel()
	node(t, nil, "build.mjs", "--check")
	if !strings.Contains(string(client.Source), "\nexport { ModferryError,") {
		t.Error("what Go programs serve is no ES module")
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	node(t, nil, "node_modules/typescript/bin/tsc", "-p", "test")
}

// What needs neither gateway nor broker, each file in a process of its own.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"codec", "language", "rules", "reasons", "frames", "readings", "adapters"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node(t, nil, "--test", "test/"+name+".test.mjs")
		})
	}
}
