package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/simulator"
)

func TestSimulatorFaceFlags(t *testing.T) {
	f := simulatorFlags{profile: "xy-md02", tcp: ":0", json: true, faceFlags: faceFlags{udp: ":0", rtuOverTCP: ":0", asciiOverTCP: ":0"}}
	all, err := f.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	var out strings.Builder
	if err := f.greet(&out, all); err != nil {
		t.Fatal(err)
	}
	var at simulator.Places
	if err := json.Unmarshal([]byte(out.String()), &at); err != nil || len(at.All()) != 4 {
		t.Errorf("%s: %v", out.String(), err)
	}
	for want, f := range map[string]faceFlags{
		"must begin with mqtt://":  {mqtt: "http://h", mqttTopics: "a,b", mqttPayload: "hex"},
		"topics a: it must be two": {mqtt: "mqtt://h", mqttTopics: "a", mqttPayload: "hex"},
		"a,b,c: it must be two":    {mqtt: "mqtt://h", mqttTopics: "a,b,c", mqttPayload: "hex"},
		"is no topic":              {mqtt: "mqtt://h", mqttTopics: "a,", mqttPayload: "hex"},
		"binary or hex":            {mqtt: "mqtt://h", mqttTopics: "a,b", mqttPayload: "text"},
	} {
		if _, err := (simulatorFlags{profile: "xy-md02", faceFlags: f}).open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A flag that would mean nothing is refused.
func TestSimulatorFlagsThatDoNotFit(t *testing.T) {
	for args, want := range map[string]string{
		"-c x.yaml --tcp :0":           "--tcp: the configuration file says",
		"-c x.yaml --unit 3":           "--unit: the configuration file says",
		"--pty y -c x.yaml":            "--pty: the configuration file says",
		"--tcp :0 --mqtt-payload hex":  "--mqtt-payload: there is no MQTT server",
		"--tcp :0 --mqtt-topics a,b":   "add --mqtt URL",
		"-c none.yaml --control :0":    "cannot read the configuration",
		"--tcp :0 --ready-file /no/x":  "--ready-file: ",
		"--mqtt mqtt://h --tcp :99999": "invalid port",
	} {
		c := simulatorCommand()
		c.SetArgs(strings.Fields(args))
		var out strings.Builder
		c.SetOut(&out)
		c.SetErr(io.Discard)
		c.SilenceUsage, c.SilenceErrors = true, true
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%s: %v, want %q; printed %q", args, err, want, out.String())
		}
	}
}

// Each line of a file is shown with its devices and faces; with --json they are a list.
func TestSimulatorLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte(`
lines:
  - {name: north, tcp: ":0", devices: [{title: Pump, tables: {holding: 9}}], control: "127.0.0.1:0"}
  - {name: south, udp: ":0", devices: [{title: Fan, unit: 7, tables: {coil: 9}}]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := simulatorFlags{file: file}
	all, err := f.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	var text, list strings.Builder
	if err := f.greet(&text, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"north\nPump as unit 1\n  Modbus TCP ", "control          http://", "south\nFan as unit 7\n  Modbus UDP "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s\nhas no %q", text.String(), want)
		}
	}
	f.json = true
	if err := f.greet(&list, all); err != nil {
		t.Fatal(err)
	}
	var places []simulator.Places
	if err := json.Unmarshal([]byte(list.String()), &places); err != nil || len(places) != 2 || places[1].UDP == "" || places[0].Control == "" {
		t.Errorf("%s: %v", list.String(), err)
	}
	f.faults = []string{"exception: 4"}
	if _, err := f.open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "several") {
		t.Error(err)
	}
}
