package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

func TestExitCodesAndErrors(t *testing.T) {
	good := write(t, "good.yaml", "gateway: w\nmqtt: {url: \"mqtt://127.0.0.1\"}\nbuses: {b: {tcp: 127.0.0.1:502}}\n")
	bad := write(t, "bad.yaml", "gateway: w w\nmqtt: {url: \"mqtt://127.0.0.1\", passwort: x}\nbuses: {b: {tcp: 127.0.0.1:502, timeout: soon}}\n")
	for _, c := range []struct {
		args        []string
		code        int
		out, errors []string // parts of stdout and stderr
	}{
		{[]string{"version"}, exitGood, []string{"modferry "}, nil},
		{[]string{"--help"}, exitGood, []string{"modferry demo"}, nil},
		{[]string{"check", "-c", good}, exitGood, []string{"is good"}, nil},
		{[]string{"check", "--json", "-c", good}, exitGood, []string{`"ok":true`}, nil},
		{[]string{"check", "-c", bad}, exitUsage, nil, []string{"bad.yaml:1:", "bad.yaml:2:", "passwort", "bad.yaml:3:", "buses.b.timeout"}},
		{[]string{"check", "--json", "-c", bad}, exitUsage, []string{`"ok":false`, `"line":2`}, nil},
		{[]string{"gateway", "-c", bad}, exitUsage, nil, []string{"bad.yaml:1:"}},
		{[]string{"check", "-c", "nowhere.yaml"}, exitUsage, nil, []string{"nowhere.yaml"}},
		{[]string{"decode", "010404013102222ACE"}, exitGood, []string{"305", "546"}, nil},
		{[]string{"decode", "0104 0401 3102", "222ACE"}, exitGood, []string{"305"}, nil},
		{[]string{"decode", "--json", "010404013102222ACE"}, exitGood, []string{`"uint16":305`}, nil},
		{[]string{"decode", "010400010002200C"}, exitFailed, []string{"20 0B", "wrong"}, nil},
		{[]string{"decode", "018402C2C1"}, exitGood, []string{"illegal data address"}, nil},
		{[]string{"decode", "01040"}, exitFailed, []string{"wrong"}, nil},
		{[]string{"decode"}, exitUsage, nil, []string{"decode --help"}},
		{[]string{"send", "--tcp", "127.0.0.1:1", "010400010002"}, exitFailed, nil, []string{"127.0.0.1:1"}},
		{[]string{"send", "--broker", "mqtt://127.0.0.1:1", "--gateway", "g", "--bus", "b", "010400010002"}, exitFailed, nil, []string{"127.0.0.1:1"}},
		{[]string{"send", "--tcp", "127.0.0.1:1", "0104"}, exitUsage, nil, []string{"bytes"}},
		{[]string{"send", "010400010002"}, exitUsage, nil, []string{"--broker", "--tcp"}},
		{[]string{"send", "--broker", "mqtt://127.0.0.1", "--gateway", "a/b", "--bus", "b", "010400010002"}, exitUsage, nil, []string{"--gateway"}},
		{[]string{"send", "--serial", "/nowhere/ttyX", "010400010002"}, exitFailed, nil, []string{"/nowhere/ttyX"}},
		{[]string{"simulator"}, exitUsage, nil, []string{"--tcp"}},
		{[]string{"simulator", "--profile", "toaster", "--tcp", ":0"}, exitUsage, nil, []string{"toaster", "xy-md02"}},
		{[]string{"demo", "--nonsense"}, exitUsage, nil, []string{"demo --help"}},
		{[]string{"dmeo"}, exitUsage, nil, []string{"dmeo", "demo"}},
		{[]string{"completion", "bash"}, exitGood, []string{"modferry"}, nil},
		{[]string{"completion", "zsh"}, exitGood, []string{"modferry"}, nil},
		{[]string{"completion", "fish"}, exitGood, []string{"modferry"}, nil},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			code, out, errs := modferry(t, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(out, want) {
					t.Errorf("stdout has no %q", want)
				}
			}
			for _, want := range c.errors {
				if !strings.Contains(errs, want) {
					t.Errorf("stderr has no %q", want)
				}
			}
			if c.out == nil && out != "" || c.errors == nil && errs != "" {
				t.Error("something was printed in the wrong place")
			}
			if t.Failed() {
				t.Logf("stdout:\n%s\nstderr:\n%s", out, errs)
			}
		})
	}
}

func TestAddressInUseIsOneClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for _, flag := range []string{"--mqtt", "--http", "--modbus"} {
		args := []string{"demo", "--mqtt", ":0", "--http", ":0", "--modbus", ":0", flag, taken}
		start := time.Now()
		code, out, errs := modferry(t, args...)
		if code != exitFailed || out != "" || !strings.Contains(errs, taken) || strings.Count(errs, "\n") != 1 || time.Since(start) > patience/2 {
			t.Errorf("%s taken: exit code %d after %v\n%s%s", flag, code, time.Since(start), out, errs)
		}
	}
}

func TestSendTellsWhatTheGatewaySays(t *testing.T) {
	p := gatewaytest.Start(t, "demo", "--mqtt", ":0", "--http", ":0", "--modbus", ":0", "--json")
	var at place
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	send := []string{"send", "--broker", at.WebSocket, "--gateway", "demo", "--bus", "line", "--timeout", "1s"}
	code, out, _ := modferry(t, append(send, "--json", "010400010002")...)
	var reply struct {
		OK     bool
		Frame  string
		Values []struct{ Uint16 uint16 }
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil || code != exitGood || !reply.OK || len(reply.Values) != 2 {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	code, out, errs := modferry(t, append(send, "--bus", "lnie", "010400010002")...)
	if code != exitFailed || out != "" || !strings.Contains(errs, "lnie") {
		t.Errorf("a bus that is not there: exit code %d\n%s%s", code, out, errs)
	}
}
