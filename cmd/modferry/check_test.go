package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The plan of testdata/plan.yaml is that of testdata/plan.txt and plan.json, which are
// written anew with -update.
func TestCheckPrintsThePlan(t *testing.T) {
	t.Chdir("testdata")
	for _, c := range []struct {
		golden string
		args   []string
	}{
		{"plan.txt", []string{"check", "--plan", "-c", "plan.yaml"}},
		{"plan.json", []string{"check", "--plan", "--json", "-c", "plan.yaml"}},
	} {
		code, out, errs := modferry(t, c.args...)
		if code != exitGood {
			t.Fatalf("%v: exit code %d: %s", c.args, code, errs)
		}
		if !strings.HasPrefix(errs, "warning: bus slow will be busy for ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: stderr has %q, want one warning of bus slow", c.args, errs)
		}
		if *update {
			if err := os.WriteFile(c.golden, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(c.golden)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("%v is not %s (-update writes it):\n%s", c.args, c.golden, out)
		}
	}
}

// The load of a line, by hand: 8 bytes of request and 5 + 4 of reply, 17 characters of
// 10 bits at 9600 baud, two silences of 3.5 characters and 10 ms, once in 100 ms.
func TestLoadIsTheTimeOnTheLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "g.yaml")
	text := "gateway: w\nmqtt: {url: \"mqtt://127.0.0.1\"}\nbuses: {b: {serial: /dev/ttyUSB0, baud: 9600}}\n" +
		"devices: {d: {bus: b, unit: 1, every: 100ms, readings: {v: {input: 0, type: float32}}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := modferry(t, "check", "--plan", "--json", "-c", file)
	if code != exitGood || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var got struct{ Plan []busPlan }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	const want = 100 * ((17+7)*10/9600.0 + 0.010) / 0.1 // 35 %
	if p := got.Plan[0]; p.Load != rounded(want) || p.Requests != 10 || p.Bytes != 170 || p.Response != 10 {
		t.Errorf("%+v, want a load of %.1f %%", p, want)
	}
}

func TestIntervalsAreWrittenAsInAConfiguration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond: "100ms", time.Second: "1s", time.Minute: "1m", 90 * time.Second: "1m30s",
		time.Hour: "1h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := interval(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}
