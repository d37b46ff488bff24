package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/simulator"
)

// virtualLines runs the simulator with a configuration and returns where its lines are.
func virtualLines(b *testing.B, text string) (*gatewaytest.Process, []simulator.Places) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "simulator.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	p := gatewaytest.Start(b, "simulator", "-c", file, "--json")
	line := p.Line("{")
	if !strings.HasPrefix(line, "[") {
		line = "[" + line + "]"
	}
	var places []simulator.Places
	if err := json.Unmarshal([]byte(line), &places); err != nil {
		b.Fatal(err)
	}
	return p, places
}

// compiled returns a program of testdata/libmodbus.
func compiled(b testing.TB, name string, flags ...string) string {
	b.Helper()
	compiler := gatewaytest.Need(b, "gcc")
	program := filepath.Join(b.TempDir(), name)
	source := filepath.Join("testdata", "libmodbus", name+".c")
	if out, err := exec.Command(compiler, append([]string{"-O2", "-o", program, source}, flags...)...).CombinedOutput(); err != nil {
		b.Fatalf("cannot compile %s: %v\n%s", source, err, out)
	}
	return program
}

const turnRequests = "4000"

// asked returns how many requests a second the client gets answered at an address.
func asked(b *testing.B, client, address, registers string) float64 {
	b.Helper()
	out, err := exec.Command(client, address[strings.LastIndexByte(address, ':')+1:], registers, turnRequests).Output()
	if err != nil {
		b.Fatalf("%s: %v", address, err)
	}
	rate, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// BenchmarkSimulatorBesideLibmodbus compares requests per second on one connection
// with those of a server of libmodbus, in turns so that noise meets both. A share is
// the median of those of all turns; "logged" is with the log of calls that the control
// has.
func BenchmarkSimulatorBesideLibmodbus(b *testing.B) {
	const header = "/usr/include/modbus/modbus.h"
	if _, err := os.Stat(header); err != nil {
		gatewaytest.Missing(b, "libmodbus-dev is not installed")
	}
	client := compiled(b, "client")
	theirs := gatewaytest.StartProgram(b, compiled(b, "server", "-I"+filepath.Dir(header), "-lmodbus")).Line("")
	const device = "devices: [{tables: {holding: 125}}]\ntcp: 127.0.0.1:0\n"
	_, plain := virtualLines(b, device)
	_, logged := virtualLines(b, device+"calls: 1000\n")
	for _, registers := range []string{"10", "125"} {
		b.Run(registers+"registers", func(b *testing.B) {
			const turns = 40
			var rates [3][]float64
			var shares [3][]float64
			places := []string{theirs, plain[0].TCP, logged[0].TCP}
			for b.Loop() {
				for turn := range turns {
					var one [3]float64
					for i := range places {
						i = (i + turn) % len(places) // each comes after each of the others
						one[i] = asked(b, client, places[i], registers)
					}
					for i := range places {
						rates[i], shares[i] = append(rates[i], one[i]), append(shares[i], one[i]/one[0])
					}
				}
			}
			for i, name := range []string{"libmodbus", "modferry", "logged"} {
				b.ReportMetric(middle(rates[i]), name+"/s")
			}
			b.ReportMetric(middle(shares[1]), "share")
			b.ReportMetric(middle(shares[2]), "logged-share")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// many returns a configuration of so many devices on as many lines as they need.
func many(devices int, device string) string {
	var c strings.Builder
	c.WriteString("lines:\n")
	for i := range devices {
		if i%247 == 0 {
			c.WriteString("- tcp: 127.0.0.1:0\n  devices:\n")
		}
		fmt.Fprintf(&c, "  - {%s, unit: %d}\n", device, i%247+1)
	}
	return c.String()
}

// BenchmarkSimulatorTenThousandDevices reports the memory of a process with as many
// devices, each of which was asked, and how long it takes to start.
func BenchmarkSimulatorTenThousandDevices(b *testing.B) {
	gatewaytest.Binary(b) // building it is no part of its start
	const devices = 10_000
	for _, c := range []struct{ name, device, function string }{
		{"100registers", "tables: {holding: 100}", "3"},
		{"xy-md02", "profile: xy-md02", "4"},
		{"sdm120", "profile: sdm120", "4"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took time.Duration
			var most float64
			for b.Loop() {
				start := time.Now()
				p, places := virtualLines(b, many(devices, c.device))
				took = time.Since(start)
				for i, place := range places {
					askAll(b, place.TCP, c.function, min(247, devices-247*i))
				}
				most = max(most, rss(b, p.PID()))
				p.Stop()
			}
			b.ReportMetric(most, "MiB")
			b.ReportMetric(took.Seconds(), "start-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
