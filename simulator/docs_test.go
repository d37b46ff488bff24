package simulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/modbus/profile"
	"modferry/simulator"
)

// What the page on virtual devices says is so: its configurations are good, and its
// examples of values that move have the values it says.
func TestVirtualDevicesPage(t *testing.T) {
	b, err := os.ReadFile("../docs/virtual-devices.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	blocks := regexp.MustCompile("(?s)```(yaml|csv)\n(.*?)```").FindAllStringSubmatch(page, -1)
	var lists []string
	configurations := 0
	for _, block := range blocks {
		if block[1] == "csv" {
			lists = append(lists, block[2])
			continue
		}
		configurations++
		if _, err := configured(t, block[2], nil); err != nil {
			t.Error(err)
		}
	}
	if configurations != 2 || len(lists) != 2 {
		t.Fatalf("%d configurations, %d lists", configurations, len(lists))
	}
	if _, err := configured(t, "tcp: :0\ndevices: [{csv: registers.csv}]", map[string]string{"registers.csv": lists[0]}); err != nil {
		t.Error(err)
	}
	faces := regexp.MustCompile("(?m)^\\| `((?:tcp|udp|\\w+_over_tcp|pty|serial|mqtt): [^`]+)` \\|").FindAllStringSubmatch(page, -1)
	for _, face := range faces {
		if _, err := configured(t, "devices: [{profile: xy-md02}]\n"+face[1], nil); err != nil {
			t.Errorf("%s: %v", face[1], err)
		}
	}
	if len(faces) != 7 {
		t.Errorf("%d faces besides tls", len(faces))
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([-0-9.]+) \\| ([-0-9.]+) \\| ([-0-9.]+) \\| ([-0-9.]+) \\|$").FindAllStringSubmatch(page, -1)
	if len(rows) < 10 {
		t.Errorf("%d examples of values", len(rows))
	}
	for _, row := range rows {
		checkValues(t, row[1], row[2:], lists[1])
	}
}

// checkValues looks at an example of a value after 0, 10, 20 and 60 seconds.
func checkValues(t *testing.T, keys string, want []string, kiln string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kiln.csv"), []byte(kiln), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseDevice(filepath.Join(dir, "x.yaml"), []byte(fmt.Sprintf(`registers:
  setpoint: {holding: 0, type: uint16, initial: 100}
  v: {input: 0, type: int16, scale: 0.1, %s}`, keys)))
	if err != nil {
		t.Errorf("%s: %v", keys, err)
		return
	}
	c := newClock()
	s, err := simulator.New(simulator.Options{Profile: p, Now: c.Now})
	if err != nil {
		t.Errorf("%s: %v", keys, err)
		return
	}
	last := time.Duration(0)
	for i, at := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 60 * time.Second} {
		c.Advance(at - last)
		last = at
		if got := strconv.FormatFloat(number(t, s.Devices()[0], "v"), 'f', -1, 64); got != strings.TrimSpace(want[i]) {
			t.Errorf("%s: %s after %v, want %s", keys, got, at, want[i])
		}
	}
}
