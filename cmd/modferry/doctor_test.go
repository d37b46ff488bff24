package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// diagnosed runs doctor on a configuration and returns its lines.
func diagnosed(t *testing.T, yaml string, flags ...string) (code int, lines []string) {
	t.Helper()
	code, out, errs := modferry(t, append([]string{"doctor", "-c", write(t, "gateway.yaml", yaml), "--timeout", "2s"}, flags...)...)
	if errs != "" {
		t.Errorf("stderr: %s", errs)
	}
	return code, strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

func wantLines(t *testing.T, lines []string, want ...string) {
	t.Helper()
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i, line := range lines {
		for part := range strings.SplitSeq(want[i], "...") {
			if !strings.Contains(line, part) {
				t.Errorf("%q, want %q", line, want[i])
			}
		}
	}
}

// Each thing that is wrong is said once, in a line of its own.
func TestDoctorOnAGatewayThatDoesNotRun(t *testing.T) {
	line := filepath.Join(t.TempDir(), "line")
	gatewaytest.Start(t, "simulator", "-c", write(t, "simulator.yaml", fmt.Sprintf("pty: %q\ndevices: [{unit: 1, tables: {holding: 100}}]\n", line)), "--json").Line("{")
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	code, lines := diagnosed(t, fmt.Sprintf(`
gateway: shed
mqtt: {url: "mqtt://%s"}
buses:
  plc: {tcp: "127.0.0.1:1"}
  gone: {serial: /dev/ttyGONE}
  line: {serial: %q}
  empty: {tcp: "127.0.0.1:2"}
devices:
  a: {bus: plc, unit: 1, profile: xy-md02}
  b: {bus: gone, unit: 1, profile: xy-md02}
  good: {bus: line, unit: 1, readings: {r: {holding: 1, type: uint16}}}
  silent: {bus: line, unit: 4, readings: {r: {holding: 1, type: uint16}}}
  wrong: {bus: line, unit: 1, readings: {r: {holding: 5000, type: uint16}}}
`, broker.Addr, line))
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	wantLines(t, lines,
		"ok    broker: mqtt://... takes and delivers what is published below modferry/shed",
		"FAIL  bus plc: cannot connect to 127.0.0.1:1: ...connection refused: check the port",
		"FAIL  bus gone: there is no serial port /dev/ttyGONE: check the path",
		"ok    bus line: serial port ... can be used",
		"ok    device good: unit 1 answered reading r (holding registers at 1) in",
		"FAIL  device silent: unit 4 did not answer within 300ms: check power, wiring",
		"FAIL  device wrong: unit 1 answers reading r (holding registers at 5000) with exception 2, illegal data address",
		"ok    bus empty: tcp server 127.0.0.1:2 has no devices to read")
}

// A gateway that runs owns its line: the devices are asked through it.
func TestDoctorBesideTheGateway(t *testing.T) {
	s := newShed(t)
	line := filepath.Join(filepath.Dir(s.link), "line")
	code, lines := diagnosed(t, fmt.Sprintf(`
gateway: shed
mqtt: {url: "mqtt://%s"}
buses: {rs485: {serial: %q, baud: 115200, timeout: 500ms}}
devices:
  good: {bus: rs485, unit: 2, readings: {r: {holding: 1, type: uint16}}}
`, s.broker.Addr, line))
	if code != exitGood {
		t.Errorf("exit code %d", code)
	}
	wantLines(t, lines, "ok    broker: ...; the gateway is online", "ok    bus rs485: ... by the gateway that runs", "ok    device good: unit 2 answered")
}

// What keeps a gateway from its broker is told apart.
func TestDoctorAtBrokers(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{
		Users: map[string]string{"shed": "secret", "other": "secret"}, ACL: "user shed\ntopic readwrite modferry/shed/#\n",
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const rest = "\nbuses: {b: {tcp: \"127.0.0.1:1\"}}\n"
	for name, c := range map[string]struct{ yaml, want string }{
		"good":       {fmt.Sprintf("mqtt: {url: \"mqtt://%s\", username: shed, password: secret}", broker.Addr), "ok    broker: mqtt://... takes and delivers"},
		"password":   {fmt.Sprintf("mqtt: {url: \"mqtt://%s\", username: shed, password: wrong}", broker.Addr), "FAIL  broker: no connection: ...password"},
		"rules":      {fmt.Sprintf("mqtt: {url: \"mqtt://%s\", username: other, password: secret}", broker.Addr), "FAIL  broker: the login is good, and nothing published on modferry/shed/doctor/... comes back: the broker's access rules"},
		"name":       {"mqtt: {url: mqtt://no-such-host.invalid}", "FAIL  broker: the name no-such-host.invalid of mqtt.url is not known here"},
		"refused":    {"mqtt: {url: \"mqtt://127.0.0.1:1\"}", "FAIL  broker: no connection: ...connection refused"},
		"no TLS":     {fmt.Sprintf("mqtt: {url: \"mqtts://%s\"}", broker.Addr), "FAIL  broker: no connection: "},
		"dead":       {fmt.Sprintf("mqtt: {url: \"mqtt://%s\"}", silent.Addr()), "FAIL  broker: no answer: check the address"},
		"http taken": {fmt.Sprintf("mqtt: {url: \"mqtt://%s\", username: shed, password: secret}\nhttp: {listen: %q}", broker.Addr, taken.Addr()), "ok    broker: "},
		"embedded":   {"broker: {mqtt: \"127.0.0.1:0\"}", "ok    broker: embedded; the gateway does not run"},
		"not free":   {fmt.Sprintf("broker: {mqtt: %q, users: {a: {password: secret, topics: [\"#\"]}}}", taken.Addr()), "ok    broker: embedded; something listens on ..., probably this gateway"},
	} {
		_, lines := diagnosed(t, "gateway: shed\n"+c.yaml+rest)
		if name == "no TLS" || name == "password" { // never the secret
			if text := strings.Join(lines, "\n"); strings.Contains(text, "wrong") {
				t.Errorf("%s: %s", name, text)
			}
		}
		wantLines(t, lines[:1], c.want)
		if name == "http taken" {
			wantLines(t, lines[1:2], "FAIL  http: the gateway cannot listen ...: another program has the address")
		}
	}
	taken.Close()
}
