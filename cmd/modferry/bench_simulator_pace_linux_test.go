package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"modferry/modbus"
)

// BenchmarkSimulatorPace reports by how much the time of a request, the silence after
// it and the reply differs from that on a wire of this speed.
func BenchmarkSimulatorPace(b *testing.B) {
	for _, c := range []struct {
		baud    int
		silence float64 // between two frames, in seconds [Serial 2.5.1.1]
		n       int
	}{{9600, 35.0 / 9600, 20}, {19200, 35.0 / 19200, 40}, {115200, 0.00175, 200}} {
		for _, registers := range []int{2, 125} {
			b.Run(fmt.Sprintf("%dbaud/%dregisters", c.baud, registers), func(b *testing.B) {
				link := filepath.Join(b.TempDir(), "line")
				virtualLines(b, fmt.Sprintf("devices: [{serial: {baud: %d, parity: none, data_bits: 8, stop_bits: 1}, tables: {holding: 125}}]\npace: true\npty: %s\n", c.baud, link))
				line := openLine(b, link)
				bytes := 8 + 5 + 2*registers
				want := float64(bytes*10)/float64(c.baud) + c.silence
				var off []float64
				for b.Loop() {
					for range c.n {
						took := exchanged(b, line, registers).Seconds()
						off = append(off, 100*(took-want)/want)
					}
				}
				slices.Sort(off)
				b.ReportMetric(1e3*want, "ms")
				b.ReportMetric(off[0], "least-%")
				b.ReportMetric(middle(off), "median-%")
				b.ReportMetric(off[len(off)*95/100], "p95-%")
				b.ReportMetric(off[len(off)-1], "worst-%")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// openLine opens one end of a line and returns its descriptor, which does not block.
func openLine(b *testing.B, path string) int {
	b.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	return fd
}

// exchanged returns the time from a request to the last byte of its reply. It looks for
// bytes all the time, as a probe on the wire would: to be woken by them takes the
// machine as long as some bytes take at these speeds.
func exchanged(b *testing.B, line, registers int) time.Duration {
	b.Helper()
	request := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, uint16(registers))})
	reply := make([]byte, 5+2*registers)
	start := time.Now()
	if _, err := unix.Write(line, request); err != nil {
		b.Fatal(err)
	}
	for got := 0; got < len(reply); {
		n, err := unix.Read(line, reply[got:])
		switch {
		case n > 0:
			got += n
		case err != nil && err != unix.EAGAIN && err != unix.EINTR:
			b.Fatal(err)
		case time.Since(start) > 10*time.Second:
			b.Fatalf("%d of %d bytes after 10 s", got, len(reply))
		}
	}
	return time.Since(start)
}
