package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/simulator"
)

// hall starts a line with several devices; more is added to its configuration.
func hall(t *testing.T, more string) (at simulator.Places) {
	t.Helper()
	p := gatewaytest.Start(t, "simulator", "--json", "-c", write(t, "hall.yaml", fmt.Sprintf(`
devices:
  - {profile: xy-md02, unit: 1}
  - {profile: rs-ws-n01, unit: 3}
  - {profile: pzem-016, unit: 9}
  - unit: 12
    registers: {ramp: {input: 0x20, type: uint16, initial: 5}}
    tables: {holding: 10}
    identification: {vendor: ACME, product_code: T1, revision: "1.0"}
tcp: 127.0.0.1:0
pty: %q
%s`, filepath.Join(t.TempDir(), "line"), more)))
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// scannedHall scans and returns what programs get.
func scannedHall(t *testing.T, args ...string) (d scanDocument) {
	t.Helper()
	code, out, errs := modferry(t, append([]string{"scan", "--json", "--quiet", "--units", "1-3,9-13", "--timeout", "100ms", "--ranges", "holding:0-15,input:0-39"}, args...)...)
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != exitGood || errs != "" {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	return d
}

// checkHall compares what was found with what is there.
func checkHall(t *testing.T, d scanDocument) {
	t.Helper()
	want := map[byte]string{
		1: "[{input 1 2} {holding 257 260}] xy-md02 likely", 3: "[{holding 0 1} {holding 2000 2001}] rs-ws-n01 likely",
		9: "[{input 0 9} {holding 1 2}] pzem-016 likely", 12: "[{input 32 32} {holding 0 9}]",
	}
	if d.Baud > 0 { // the device is for 4800 baud, which a pseudo terminal does not mind
		want[3] = strings.Replace(want[3], "likely", "possible", 1)
	}
	for _, u := range d.Units {
		got := fmt.Sprint(u.Ranges)
		if len(u.Profiles) > 0 {
			got += fmt.Sprintf(" %s %s", u.Profiles[0].Profile, u.Profiles[0].Certainty)
		}
		if got != want[u.Unit] || !u.Complete {
			t.Errorf("unit %d is %s, want %s: %+v", u.Unit, got, want[u.Unit], u)
		}
		delete(want, u.Unit)
	}
	if len(want) > 0 || d.Asked != 8 || !d.Complete || len(d.Garbled) > 0 {
		t.Errorf("not found: %v\n%+v", want, d)
	}
	if id := d.Units[len(d.Units)-1].Identification; id["vendor"] != "ACME" || id["product code"] != "T1" {
		t.Errorf("unit 12 calls itself %v", id)
	}
	file := write(t, "found.yaml", "gateway: g\nmqtt: {url: \"mqtt://127.0.0.1\"}\nbuses: {line: {tcp: 127.0.0.1:502}}\n"+d.YAML)
	if code, out, errs := modferry(t, "check", "-c", file); code != exitGood || !strings.Contains(out, "4 devices") {
		t.Errorf("check: exit code %d\n%s%s%s", code, out, errs, d.YAML)
	}
}

// Several devices of several kinds are found on a line and over TCP, and told apart.
func TestScanFindsAHall(t *testing.T) {
	at := hall(t, "rtu_over_tcp: 127.0.0.1:0\nascii_over_tcp: 127.0.0.1:0\n")
	for name, way := range map[string][]string{
		"tcp": {"--tcp", at.TCP}, "pty": {"--serial", at.PTY}, "rtu over tcp": {"--tcp", at.RTUOverTCP, "--framing", "rtu"},
		"ascii over tcp": {"--tcp", at.ASCIIOverTCP, "--framing", "ascii"},
	} {
		t.Run(name, func(t *testing.T) { checkHall(t, scannedHall(t, way...)) })
	}
}

// Noise around replies hides no unit, and a late unit is found by its late reply.
func TestScanOnABadLine(t *testing.T) {
	at := hall(t, `
faults:
  - {name: noise, units: [1, 9], every: 2, noise: {before: 3, after: 2}}
  - {name: late, units: 3, count: 1, delay: 150ms}
  - {name: broken, units: 12, functions: read, count: 1, bad_check: true}
`)
	d := scannedHall(t, "--serial", at.PTY, "--requests", "4")
	late := map[byte]bool{}
	for _, u := range d.Units {
		late[u.Unit] = u.Late
	}
	if !late[3] || late[1] || late[12] || len(late) != 4 { // unit 9 has to wait for unit 3
		t.Errorf("found: %v", late)
	}
}

// The last unit of the search is listened to for as long as the others.
func TestScanHearsTheLastUnit(t *testing.T) {
	at := hall(t, "faults: [{units: 3, delay: 400ms, count: 1}, {units: 9, delay: 400ms, count: 1}]\n")
	for _, units := range []string{"2-3", "9"} {
		d := scannedHall(t, "--serial", at.PTY, "--units", units, "--timeout", "250ms", "--requests", "4")
		if len(d.Units) != 1 || !d.Units[0].Late {
			t.Errorf("%s: %+v", units, d.Units)
		}
	}
}

// Through a gateway that has the port, while it polls; without it, the port's owner is named.
func TestScanThroughAGateway(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	at := hall(t, "")
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	gatewayAt(t, app, fmt.Sprintf(`
gateway: shed
data_dir: %q
mqtt: {url: "mqtt://%s"}
buses: {line: {serial: %q, baud: 9600, timeout: 200ms}}
devices: {sensor: {bus: line, unit: 1, profile: xy-md02, every: 200ms}}
`, t.TempDir(), broker.Addr, at.PTY))
	readings := app.Subscribe("modferry/shed/device/sensor/+", 0)
	readings.Next(patience)
	d := scannedHall(t, "--broker", broker.URL(), "--gateway", "shed", "--bus", "line")
	if len(d.Units) != 4 || len(d.Units[3].Identification) > 0 || !strings.Contains(d.Units[3].Refused["encapsulated_interface"], "gateway does not allow") {
		t.Fatalf("%+v", d)
	}
	d.Units[3].Identification = map[string]string{"vendor": "ACME", "product code": "T1"} // which a gateway that allows no writes does not ask for
	checkHall(t, d)
	if quick := scannedHall(t, "--broker", broker.URL(), "--gateway", "shed", "--bus", "line", "--timeout", "50ms", "--requests", "1"); len(quick.Units) != 4 {
		t.Errorf("with a timeout of its own: %+v", quick)
	}
	code, out, errs := modferry(t, "scan", "--serial", at.PTY)
	if code != exitFailed || out != "" || !strings.Contains(errs, at.PTY) || !strings.Contains(errs, "--broker URL --gateway NAME --bus NAME") || strings.Count(errs, "\n") != 1 {
		t.Errorf("the gateway's port: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = modferry(t, "scan", "--broker", broker.URL(), "--gateway", "shde", "--bus", "line", "--units", "1", "--quiet")
	if code != exitFailed || out != "" || !strings.Contains(errs, "shde") {
		t.Errorf("a gateway that is not there: exit code %d\n%s%s", code, out, errs)
	}
}

// Ctrl-C ends a scan, and what was found is printed.
func TestScanInterrupted(t *testing.T) {
	at := hall(t, "")
	p := gatewaytest.Start(t, "scan", "--serial", at.PTY, "--timeout", "300ms")
	p.ErrorLine("unit 3 answers")
	p.Signal(os.Interrupt)
	if code := p.Wait(patience); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	p.ErrorLine("interrupted: ")
	if out := p.Stdout(); !strings.Contains(out, "Unit 1 answers") || !strings.Contains(out, "Unit 3 answers") || strings.Contains(out, "Unit 9 answers") {
		t.Error(out)
	}
}

// People get the same in words, and a file that is never overwritten.
func TestScanInWords(t *testing.T) {
	at := hall(t, "")
	file := filepath.Join(t.TempDir(), "devices.yaml")
	args := []string{"scan", "--tcp", at.TCP, "--units", "1,3", "--timeout", "100ms", "--out", file}
	code, out, errs := modferry(t, args...)
	for _, want := range []string{"Unit 1 answers: exception 02", "readable        input 1-2, holding 257-260", "xy-md02, likely", "temperature ", "2 units answered of 2 units asked", file} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if code != exitGood || !strings.Contains(errs, "unit 3 answers") || strings.Contains(errs, "\x1b") {
		t.Errorf("exit code %d\n%q", code, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "profile: rs-ws-n01 # likely") || strings.Contains(out, "devices:\n") {
		t.Errorf("%v\n%s", err, text)
	}
	if code, _, errs := modferry(t, args...); code != exitUsage || !strings.Contains(errs, "there already") {
		t.Errorf("again: exit code %d\n%s", code, errs)
	}
	code, out, errs = modferry(t, "scan", "--tcp", at.TCP, "--units", "100-101", "--timeout", "20ms", "--quiet")
	if code != exitFailed || out != "" || !strings.Contains(errs, "no unit answers") || strings.Count(errs, "\n") != 1 {
		t.Errorf("nobody there: exit code %d\n%s%s", code, out, errs)
	}
}

func TestScanRefuses(t *testing.T) {
	for args, says := range map[string]string{
		"":                                     "name one way",
		"--tcp a:1 --units 0":                  "--units 0",
		"--serial /dev/x --units 1-255":        "1 to 247",
		"--tcp a:1 --units 9-1":                "--units 9-1",
		"--tcp a:1 --timeout 0s":               "--timeout",
		"--tcp a:1 --probe 5":                  "--probe 5",
		"--tcp a:1 --probe holding:0-1":        "--probe holding:0-1",
		"--tcp a:1 --ranges registers:0-9":     "--ranges registers:0-9",
		"--tcp a:1 --ranges holding:9-65536":   "--ranges holding:9-65536",
		"--tcp a:1 --search-baud":              "--serial PORT",
		"--tcp a:1 --search-parity":            "--serial PORT",
		"--tcp a:1 --requests 0":               "--requests",
		"--broker mqtt://127.0.0.1 --bus line": "--gateway",
		"--nonsense":                           "scan --help",
	} {
		code, out, errs := modferry(t, append([]string{"scan"}, strings.Fields(args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	for args, says := range map[string]string{"--serial /nowhere/tty": "/nowhere/tty", "--tcp 127.0.0.1:1": "127.0.0.1:1"} {
		if code, out, errs := modferry(t, append([]string{"scan"}, strings.Fields(args)...)...); code != exitFailed || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}
