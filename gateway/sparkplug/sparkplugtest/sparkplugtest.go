// Package sparkplugtest is a host application for tests: [Decode] has payloads decoded
// by the npm package sparkplug-payload, and a [Host] holds a node to the order in which
// messages may come.
package sparkplugtest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// Message is a message as it was published.
type Message struct {
	Topic   string
	Payload []byte
}

// Payload is a decoded payload. Numbers of 64 bits are text.
type Payload struct {
	Timestamp string
	Seq       *string
	Metrics   []Metric
}

// Metric is a decoded metric.
type Metric struct {
	Name, Alias, Timestamp, Type string
	Value                        any
	Properties                   map[string]struct {
		Type  string
		Value any
	}
}

// Decode decodes the payloads of messages.
func Decode(t testing.TB, messages []Message) []Payload {
	t.Helper()
	node := gatewaytest.Need(t, "node")
	_, source, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(source), "..", "testdata", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		gatewaytest.Missing(t, dir+" has no node_modules")
	}
	var lines strings.Builder
	for _, m := range messages {
		lines.WriteString(hex.EncodeToString(m.Payload) + "\n")
	}
	run := exec.Command(node, "decode.cjs")
	run.Dir, run.Stdin = dir, strings.NewReader(lines.String())
	var failed bytes.Buffer
	run.Stderr = &failed
	out, err := run.Output()
	if err != nil {
		t.Fatalf("sparkplug-payload does not decode what was published: %v\n%s", err, failed.String())
	}
	payloads := make([]Payload, len(messages))
	decoder := json.NewDecoder(bytes.NewReader(out))
	for i := range payloads {
		if err := decoder.Decode(&payloads[i]); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	return payloads
}

// Values returns the values of metrics by name, or by alias where there is no name, as text.
func (p Payload) Values() map[string]string {
	values := map[string]string{}
	for _, m := range p.Metrics {
		name := m.Name
		if name == "" {
			name = m.Alias
		}
		values[name] = fmt.Sprint(m.Value)
	}
	return values
}

func (p Payload) seq() string {
	if p.Seq == nil {
		return "none"
	}
	return *p.Seq
}
