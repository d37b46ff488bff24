package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// pollBench is a broker, a device and what is measured between them.
type pollBench struct {
	b      *testing.B
	broker *gatewaytest.Server
	device string
	count  func() int64 // registers that were read
}

func newPollBench(b *testing.B) *pollBench {
	x := &pollBench{b: b, broker: gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{NoDelay: true, Lines: []string{"sys_interval 1"}})}
	in, out := startPart(b, "plant", "")
	lines := bufio.NewScanner(out)
	line := func() string {
		if !lines.Scan() {
			b.Fatal("the device has ended")
		}
		return lines.Text()
	}
	x.device = line()
	x.count = func() int64 {
		fmt.Fprintln(in)
		n, err := strconv.ParseInt(line(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return x
}

// startPart starts this test binary in a role.
func startPart(b *testing.B, role, argument string) (io.Writer, io.Reader) {
	b.Helper()
	c := exec.Command(os.Args[0], argument)
	c.Env, c.Stderr = append(os.Environ(), roleVariable+"="+role), os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = c.Wait() })
	return in, out
}

// floor measures the least that polling takes.
func (x *pollBench) floor(p polling) (s spent) {
	x.b.Helper()
	p.Broker, p.Device = x.broker.Addr, x.device
	text, err := json.Marshal(p)
	if err != nil {
		x.b.Fatal(err)
	}
	_, out := startPart(x.b, "floor", string(text))
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() != "ready" {
			break
		}
	}
	if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
		x.b.Fatal(err)
	}
	return s
}

// gateway measures what the gateway takes for the same.
func (x *pollBench) gateway(p polling) (s spent) {
	b := x.b
	b.Helper()
	g := gatewaytest.Start(b, "gateway", "-c", x.config(p))
	defer g.Stop()
	app := gatewaytest.Client(b, x.broker.URL(), gatewaytest.ClientOptions{})
	name := "b0"
	if p.Single {
		name = "r0"
	}
	app.Subscribe("modferry/bench/device/plant/"+name, 0).Next(10 * time.Second)
	app.Unsubscribe("modferry/bench/device/plant/" + name).Wait()
	published := x.published(app)
	time.Sleep(p.For / 4) // until it is warm
	from, count := published()
	start, before, values := time.Now(), cpuOf(g.PID()), x.count()
	time.Sleep(p.For)
	s.CPU, s.Values = cpuOf(g.PID())-before, x.count()-values
	if p.Every > 0 {
		s.Missed = max(0, int(time.Since(start)/p.Every)-int(s.Values)/p.Registers)
	}
	s.RSS = rss(b, g.PID())
	to, end := published()
	each := float64(block)
	if p.Single {
		each = 1
	}
	s.Share = (end - count) / to.Sub(from).Seconds() * each / (float64(s.Values) / p.For.Seconds())
	return s
}

// published returns how many messages the broker got, when it tells.
func (x *pollBench) published(app *gatewaytest.Peer) func() (at time.Time, count float64) {
	told := app.Subscribe("$SYS/broker/messages/received", 0)
	return func() (time.Time, float64) {
		for len(told.Messages()) > 0 {
			<-told.Messages()
		}
		m := told.Next(5 * time.Second)
		n, err := strconv.ParseFloat(string(m.Payload), 64)
		if err != nil {
			x.b.Fatal(err)
		}
		return time.Now(), n
	}
}

// config describes the device to the gateway.
func (x *pollBench) config(p polling) string {
	x.b.Helper()
	dir := x.b.TempDir()
	var text strings.Builder
	payload, every := "json", p.Every
	if p.Single {
		payload = "value"
	}
	if every == 0 {
		every = shortest
	}
	fmt.Fprintf(&text, "gateway: bench\ndata_dir: %q\nmqtt: {url: 'mqtt://%s', qos: %d}\nbuses:\n  line: {tcp: %q, in_flight: 16}\n", dir, x.broker.Addr, p.QoS, x.device)
	fmt.Fprintf(&text, "devices:\n  plant:\n    bus: line\n    unit: 1\n    every: %v\n    heartbeat: 1h\n    payload: %s\n    readings:\n", every, payload)
	for i := 0; i < p.Registers; i++ {
		switch {
		case p.Single:
			fmt.Fprintf(&text, "      r%d: {holding: %d, type: uint16}\n", i, i)
		case i%block == 0:
			fmt.Fprintf(&text, "      b%d: {holding: %d, count: %d, type: uint16}\n", i, i, block)
		}
	}
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		x.b.Fatal(err)
	}
	return file
}

// shortest is the shortest interval of a reading: with many of them, as fast as it goes.
const shortest = time.Millisecond

// BenchmarkPolling compares the CPU time of polling with the least that it takes, both
// for a million values that were read: one array for each 125 registers, and one topic
// for each register. Flat out, the gateway reads more values than the broker takes and
// publishes the newest; the floor waits for the broker. What the gateway takes for a
// million values that were published, reading the others included, is told as well.
func BenchmarkPolling(b *testing.B) {
	for _, c := range []struct {
		name string
		polling
	}{
		{"1000-flat-out", polling{Registers: 1000}},
		{"10000-flat-out", polling{Registers: 10000}},
		{"10000-every-100ms", polling{Registers: 10000, Every: 100 * time.Millisecond}},
		{"10000-topics-every-100ms", polling{Registers: 10000, Every: 100 * time.Millisecond, Single: true}},
		{"1000-topics-flat-out", polling{Registers: 1000, Single: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := newPollBench(b)
			c.For = 5 * time.Second
			for b.Loop() {
				strict := c.polling
				strict.Strict = true
				floor, least, gateway := x.floor(c.polling), x.floor(strict), x.gateway(c.polling)
				million := func(s spent) float64 { return s.CPU / float64(s.Values) * 1e6 }
				b.ReportMetric(million(floor), "floor-s/M")
				b.ReportMetric(million(least), "strict-s/M")
				b.ReportMetric(million(gateway), "gateway-s/M")
				b.ReportMetric(million(gateway)/gateway.Share, "gateway-s/M-published")
				b.ReportMetric(million(gateway)/million(floor), "times-floor")
				b.ReportMetric(million(gateway)/million(least), "times-strict")
				b.ReportMetric(float64(floor.Values)/c.For.Seconds()/1e6, "floor-M/s")
				b.ReportMetric(float64(gateway.Values)/c.For.Seconds()/1e6, "gateway-M/s")
				b.ReportMetric(gateway.RSS, "MiB")
				b.ReportMetric(float64(gateway.Missed), "missed")
				b.ReportMetric(gateway.Share, "published")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
