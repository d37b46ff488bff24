package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// wideNumbers are a device's numbers of 64 bits that no float64 is, which stand or move.
const wideNumbers = `
devices:
  - unit: 1
    registers:
      most: {input: 0, type: uint64, initial: 18446744073709551615}
      least: {input: 4, type: int64, initial: -9007199254740993}
      meter: {input: 8, type: uint64, replay: {file: wide.csv, column: meter, every: 50ms, sample: 10ms}}
      depth: {input: 12, type: int64, order: little-swap, scale: 0.1, replay: {file: wide.csv, column: depth, every: 50ms, sample: 10ms}}
tcp: 127.0.0.1:0
`

const wideProfile = `
title: Device with wide numbers
readings:
  most: {input: 0, type: uint64}
  least: {input: 4, type: int64}
  meter: {input: 8, type: uint64}
  depth: {input: 12, type: int64, order: little-swap, scale: 0.1}
`

// Numbers of 64 bits come through a recording with all their digits, in words and byte
// by byte, with a profile and without.
func TestRecordKeepsAllDigits(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"device.yaml": wideNumbers, "wide.yaml": wideProfile,
		"wide.csv": "meter,depth\n18446744073709551615,-900719925474099.3\n9007199254740993,900719925474099.1\n9007199254740995,922337203685477580.7\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := gatewaytest.Start(t, "simulator", "--json", "-c", filepath.Join(dir, "device.yaml"))
	var at simulator.Places
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	const stands = "04 10 FF FF FF FF FF FF FF FF FF DF FF FF FF FF FF FF"
	moves := []string{
		"04 10 FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF DF",
		"04 10 00 20 00 00 00 00 00 01 FF FF FF FF FF FF 00 1F",
		"04 10 00 20 00 00 00 00 00 03 FF FF FF FF FF FF 7F FF",
	}
	for what, args := range map[string][]string{"profile": {"--profile", filepath.Join(dir, "wide.yaml")}, "addresses": {"--input", "0-15"}} {
		t.Run(what, func(t *testing.T) {
			s, copied := recorded(t, append(args, "--tcp", at.TCP, "--every", "10ms", "--count", "60")...)
			if s.GapCount != 0 || len(s.Holes) != 0 {
				t.Errorf("%+v", s)
			}
			line := transport.NewTCP(transport.TCPOptions{Address: served(t, copied), Timeout: patience})
			defer line.Close()
			if got := said(t, line, modbus.ReadRequest(4, 0, 8)); got != stands {
				t.Errorf("what stands is\n%s, want\n%s", got, stands)
			}
			seen := map[string]bool{}
			for end := time.Now().Add(patience); len(seen) < len(moves) && time.Now().Before(end); {
				seen[said(t, line, modbus.ReadRequest(4, 8, 8))] = true
			}
			for _, want := range moves {
				if !seen[want] {
					t.Errorf("never seen: %s, but %v", want, seen)
				}
			}
			if len(seen) != len(moves) {
				t.Errorf("%v, want %v", seen, moves)
			}
			if what == "profile" {
				inWords(t, copied)
			}
		})
	}
}

// inWords checks that people read the numbers in the files.
func inWords(t *testing.T, dir string) {
	t.Helper()
	for name, all := range map[string][]string{
		"simulator.yaml": {"initial: 18446744073709551615", "initial: -9007199254740993"},
		"values.csv":     {"18446744073709551615,-900719925474099.3", "9007199254740993,900719925474099.1", "9007199254740995,922337203685477580.7"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not have %s", name, want)
			}
		}
	}
}

// A recorder that is killed leaves a folder that can be run, with whole lines only.
func TestRecordKilled(t *testing.T) {
	tcp, _ := sensor(t)
	for round := range 3 {
		dir := filepath.Join(t.TempDir(), "copy")
		p := gatewaytest.Start(t, "simulator", "record", "--tcp", tcp, "--profile", "xy-md02", "--every", "10ms", "--out", dir)
		config := filepath.Join(dir, "simulator.yaml")
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(config); err == nil {
				break
			} else if time.Now().After(end) {
				t.Fatal("nothing was saved")
			}
		}
		time.Sleep(time.Duration(round) * 1100 * time.Millisecond) // is where it is killed
		p.Kill()
		line := transport.NewTCP(transport.TCPOptions{Address: served(t, dir), Timeout: patience})
		if got := said(t, line, modbus.ReadRequest(3, 0x101, 2)); got != "03 04 00 01 25 80" {
			t.Errorf("killed in round %d: the recording says %s", round, got)
		}
		line.Close()
	}
}
