package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

func TestTrace(t *testing.T) {
	p := gatewaytest.Start(t, "demo", "--mqtt", ":0", "--http", ":0", "--modbus", ":0", "--json")
	var at place
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	app := gatewaytest.Client(t, at.MQTT, gatewaytest.ClientOptions{})
	app.Subscribe(at.Temperature, 1).Next(patience) // the gateway is up
	replies := app.Subscribe(at.Response+"/panel", 1)
	app.Publish(at.Request+"/panel", 1, false, "010300000001")
	replies.Next(patience)

	trace := []string{"trace", "--http", at.HTTP, "--bus", at.Bus}
	code, out, errs := modferry(t, append(trace, "--count", "3")...)
	if code != exitGood || strings.Count(out, "\n") != 3 || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if !strings.Contains(out, "unit 1    panel") || !strings.Contains(out, "exception 02  ") || !strings.Contains(out, "01 03 00 00 00 01  >  ") || !strings.Contains(out, "(poll)") {
		t.Errorf("it shows\n%s", out)
	}
	code, out, _ = modferry(t, append(trace, "--count", "1", "--json")...)
	if code != exitGood || !json.Valid([]byte(out)) || !strings.Contains(out, `"outcome":`) {
		t.Errorf("as JSON: exit code %d, %q", code, out)
	}
	file := filepath.Join(t.TempDir(), "line.pcap")
	for i, want := range []int{exitGood, exitUsage, exitGood} {
		args := slices.Concat(trace, []string{"--count", "2", "--pcap", file})
		if i == 2 {
			args = append(args, "--force")
		}
		if code, out, errs := modferry(t, args...); code != want || out != "" {
			t.Errorf("capture %d: exit code %d, %q, %q", i, code, out, errs)
		}
		if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "\xD4\xC3\xB2\xA1") || len(text) < 24+2*16 {
			t.Errorf("the file has %d bytes, %v", len(text), err)
		}
	}
	for want, args := range map[string][]string{
		"there is no bus \"nope\"":  {"trace", "--http", at.HTTP, "--bus", "nope"},
		"--bus NAME is missing":     {"trace"},
		"must be like http://":      {"trace", "--bus", "line", "--http", "localhost:8080"},
		"--unit 300: it must be":    append(trace, "--unit", "300"),
		"--count -1: it cannot":     append(trace, "--count", "-1"),
		"no such file or directory": append(trace, "--pcap", "/no/such/folder/x.pcap"),
	} {
		if code, out, errs := modferry(t, args...); code == exitGood || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
	}
}
