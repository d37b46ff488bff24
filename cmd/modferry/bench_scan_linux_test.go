package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"modferry/modbus"
)

// BenchmarkScan reports how long the search of 247 units takes at 9600 baud with a
// timeout of 50 ms, against the least that it can take: of each unit the request and the
// timeout, which is longer than the silence that the next request needs. Nobody is there.
func BenchmarkScan(b *testing.B) {
	const units, patience = 247, 50 * time.Millisecond
	link := filepath.Join(b.TempDir(), "line")
	virtualLines(b, fmt.Sprintf("devices: [{unit: 1, tables: {holding: 1}}]\nfaults: [{drop: request}]\npace: true\npty: %s\n", link))
	char, _ := modbus.SerialTiming(9600, 10)
	least := units * (patience + 8*char)
	for b.Loop() {
		start := time.Now()
		f := scanFlags{units: "1-247", probes: []string{"holding:0"}, ranges: []string{"none"}, requests: 1, quiet: true}
		f.serial, f.baud, f.parity, f.stopBits, f.mode, f.framing, f.timeout = link, 9600, "none", 1, "rtu", "mbap", patience
		if err := f.scan(b.Context(), b.Output(), b.Output()); err == nil {
			b.Fatal("somebody is there")
		}
		b.ReportMetric(time.Since(start).Seconds(), "s")
		b.ReportMetric(float64(time.Since(start))/float64(least), "times-least")
		b.ReportMetric(0, "ns/op")
	}
}
