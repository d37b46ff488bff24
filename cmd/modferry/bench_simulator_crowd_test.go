package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
)

// askAll asks each unit up to the last for its register 1 and wants it.
func askAll(b *testing.B, address, function string, last int) {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		b.Fatal(err)
	}
	code, err := strconv.Atoi(function)
	if err != nil {
		b.Fatal(err)
	}
	reply := make([]byte, 11)
	for unit := range last {
		request := modbus.ADU{Unit: byte(unit + 1), PDU: modbus.ReadRequest(byte(code), 1, 1)}
		if _, err := conn.Write(modbus.AppendTCP(nil, request)); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, reply); err != nil {
			b.Fatalf("unit %d: % X, %v", unit+1, reply, err)
		}
	}
}

// The crowd: connections that are all held, and so many requests a second in all,
// sent when they are due whether earlier ones were answered or not.
const (
	crowdSize   = 1000
	crowdRate   = 5000
	crowdLasts  = 10 * time.Second
	crowdEvery  = time.Second / crowdRate
	crowdWarm   = crowdRate // requests that do not count
	crowdCounts = int(crowdLasts / crowdEvery)
)

// crowded is what the crowd has seen; times are from when a request was due.
type crowded struct {
	Answered int
	Median   time.Duration
	P99      time.Duration
	Second   time.Duration // median of the p99 of each second: what is left of it without what else the machine did in some
	Worst    time.Duration
	Late     time.Duration // p99 of how late a request was sent: the client's own part
	Rate     float64
}

// crowd asks the device at an address, and prints what it has seen.
func crowd(address string) error {
	debug.SetGCPercent(-1) // its own pauses are not the device's
	conns := make([]net.Conn, crowdSize)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", address); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	due := make([]time.Time, crowdWarm+crowdCounts)
	start := time.Now().Add(100 * time.Millisecond)
	for i := range due {
		due[i] = start.Add(time.Duration(i) * crowdEvery)
	}
	took := make([]time.Duration, len(due))
	var reading sync.WaitGroup
	errs := make(chan error, crowdSize)
	for i, conn := range conns {
		if err := conn.SetReadDeadline(due[len(due)-1].Add(5 * time.Second)); err != nil {
			return err
		}
		reading.Go(func() { errs <- listenTo(conn, i, due, took) })
	}
	late, err := say(conns, due)
	if err != nil {
		return err
	}
	reading.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	took = took[crowdWarm:]
	var seconds []time.Duration
	for second := range slices.Chunk(took, crowdRate) {
		seconds = append(seconds, share99(second))
	}
	slices.Sort(seconds)
	seen := crowded{Second: seconds[len(seconds)/2], Answered: len(took), Rate: float64(len(took)-1) / (due[len(due)-1].Add(took[len(took)-1]).Sub(due[crowdWarm].Add(took[0]))).Seconds()}
	seen.P99, seen.Late = share99(took), share99(late)
	slices.Sort(took)
	seen.Median, seen.Worst = took[len(took)/2], took[len(took)-1]
	return json.NewEncoder(os.Stdout).Encode(seen)
}

// share99 returns what 99 of 100 are below.
func share99(times []time.Duration) time.Duration {
	times = slices.Sorted(slices.Values(times))
	return times[len(times)*99/100]
}

// say sends each request when it is due, on one connection after the other, and
// returns how late they were.
func say(conns []net.Conn, due []time.Time) ([]time.Duration, error) {
	request := modbus.AppendTCP(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, 10)})
	late := make([]time.Duration, len(due))
	for i, at := range due {
		if d := time.Until(at); d > 0 {
			time.Sleep(d)
		}
		late[i] = time.Since(at)
		binary.BigEndian.PutUint16(request, uint16(i/len(conns)))
		if _, err := conns[i%len(conns)].Write(request); err != nil {
			return nil, err
		}
	}
	return late, nil
}

// listenTo takes the replies of the n-th connection.
func listenTo(conn net.Conn, n int, due []time.Time, took []time.Duration) error {
	reply := make([]byte, 9+20)
	for i := n; i < len(due); i += crowdSize {
		if _, err := io.ReadFull(conn, reply); err != nil {
			return fmt.Errorf("connection %d: %w", n, err)
		}
		took[i] = time.Since(due[i])
		if id := int(binary.BigEndian.Uint16(reply)); id != i/crowdSize || reply[8] != 20 {
			return fmt.Errorf("connection %d: % X in the place of reply %d", n, reply, i/crowdSize)
		}
	}
	return nil
}

// BenchmarkSimulatorThousandConnections reports how long replies take while 1,000
// connections ask 5,000 times a second, whatever the replies take.
func BenchmarkSimulatorThousandConnections(b *testing.B) {
	p, places := virtualLines(b, "devices: [{tables: {holding: 125}}]\ntcp: 127.0.0.1:0\ncalls: 1000\n")
	var seen crowded
	for b.Loop() {
		if err := json.Unmarshal([]byte(startRole(b, "crowd", places[0].TCP)), &seen); err != nil {
			b.Fatal(err)
		}
	}
	milliseconds := func(d time.Duration) float64 { return float64(d) / 1e6 }
	b.ReportMetric(seen.Rate, "requests/s")
	b.ReportMetric(milliseconds(seen.Median), "p50-ms")
	b.ReportMetric(milliseconds(seen.P99), "p99-ms")
	b.ReportMetric(milliseconds(seen.Second), "second-p99-ms")
	b.ReportMetric(milliseconds(seen.Worst), "worst-ms")
	b.ReportMetric(milliseconds(seen.Late), "sent-late-p99-ms")
	b.ReportMetric(rss(b, p.PID()), "MiB")
	b.ReportMetric(0, "ns/op")
}
