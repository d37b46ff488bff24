package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// Processes of the measured chain that are not modferry itself are this test
// binary, started again in a role.
const roleVariable = "MODFERRY_TEST_ROLE"

func play(role string) error {
	switch role {
	case "device":
		return awake()
	case "plant":
		return plant()
	case "crowd":
		return crowd(os.Args[1])
	case "floor":
		return floor(os.Args[1])
	}
	return echo(os.Args[1])
}

// echo answers on echo/response what comes on echo/request, with the same QoS: the
// least a bridge can do.
func echo(url string) error {
	o := paho.NewClientOptions().AddBroker(url).SetClientID("echo").SetOrderMatters(true)
	o.SetDefaultPublishHandler(func(c paho.Client, m paho.Message) { c.Publish("echo/response", m.Qos(), false, m.Payload()) })
	c := paho.NewClient(o)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		return t.Error()
	}
	c.Subscribe("echo/request", 2, nil).Wait()
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin) // until the benchmark is over
	return err
}

// bench is the measured chain: app -> mosquitto -> gateway -> device, with the bare
// echo and the raw read beside it.
type bench struct {
	qos     byte
	app     *gatewaytest.Peer
	gateway *gatewaytest.Process
	device  net.Conn
	frame   []byte
}

const benchRequest = "010400010001600A"

func newBench(b *testing.B, qos byte, o gatewaytest.MosquittoOptions, device string, inFlight int) *bench {
	b.Helper()
	broker := gatewaytest.Mosquitto(b, o)
	x := &bench{qos: qos, app: gatewaytest.Client(b, broker.URL(), gatewaytest.ClientOptions{})}
	x.gateway = gatewaytest.Start(b, "gateway", "-c", benchConfig(b, qos, broker.URL(), device, inFlight))
	startRole(b, "echo", broker.URL())
	var err error
	if x.device, err = net.Dial("tcp", device); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.device.Close() })
	x.frame = modbus.AppendTCP(nil, modbus.ADU{Transaction: 1, Unit: 1, PDU: modbus.ReadRequest(4, 1, 1)})
	status := x.app.Subscribe("modferry/bench/status", 1)
	status.Await(10*time.Second, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
	return x
}

func benchConfig(b *testing.B, qos byte, broker, device string, inFlight int) string {
	dir := b.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("gateway: bench\ndata_dir: %q\nmqtt: {url: %q, qos: %d}\nbuses:\n  line: {tcp: %q, in_flight: %d, queue: 128}\n",
		dir, strings.Replace(broker, "tcp:", "mqtt:", 1), qos, device, inFlight)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// startRole starts this test binary in a role, and returns the first line it prints.
func startRole(b *testing.B, role string, args ...string) string {
	b.Helper()
	c := exec.Command(os.Args[0], args...)
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
	b.Cleanup(func() {
		in.Close()
		if role == "device" { // it does not listen
			_ = c.Process.Kill()
		}
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// simulated is the simulator as the device of a chain.
func simulated(b *testing.B) string {
	b.Helper()
	sensor := gatewaytest.Start(b, "simulator", "--profile", "xy-md02", "--tcp", "127.0.0.1:0", "--json")
	var places struct{ TCP string }
	if err := json.Unmarshal([]byte(sensor.Line("{")), &places); err != nil {
		b.Fatal(err)
	}
	return places.TCP
}

// trip publishes and waits for the answer, n times one after the other; returns the time of each.
func (x *bench) trip(b *testing.B, request, response, payload string, n int) []time.Duration {
	b.Helper()
	answered := make(chan struct{}, 1)
	x.app.Client.Subscribe(response, x.qos, func(paho.Client, paho.Message) { answered <- struct{}{} }).Wait()
	times := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		x.app.Client.Publish(request, x.qos, false, payload)
		select {
		case <-answered:
		case <-time.After(10 * time.Second):
			b.Fatalf("no answer on %s", response)
		}
		times = append(times, time.Since(start))
	}
	x.app.Client.Unsubscribe(response).Wait()
	return times
}

// flood has n requests answered with at most 64 of them on their way, and returns how
// many were answered per second.
func (x *bench) flood(b *testing.B, request, response, payload string, n int) float64 {
	b.Helper()
	free := make(chan struct{}, 64)
	for range cap(free) {
		free <- struct{}{}
	}
	x.app.Client.Subscribe(response, x.qos, func(paho.Client, paho.Message) { free <- struct{}{} }).Wait()
	start := time.Now()
	for i := range n + cap(free) { // the last round waits for all
		select {
		case <-free:
		case <-time.After(10 * time.Second):
			b.Fatalf("no answer on %s", response)
		}
		if i < n {
			x.app.Client.Publish(request, x.qos, false, payload)
		}
	}
	rate := float64(n) / time.Since(start).Seconds()
	x.app.Client.Unsubscribe(response).Wait()
	return rate
}

// read makes n raw reads on a TCP connection of its own, each after a rest: a device
// that has gone to sleep takes longer than one that is busy.
func (x *bench) read(b *testing.B, n int, rest time.Duration) []time.Duration {
	b.Helper()
	reply := make([]byte, 11)
	times := make([]time.Duration, 0, n)
	for range n {
		time.Sleep(rest)
		start := time.Now()
		if _, err := x.device.Write(x.frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(x.device, reply); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	return times
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2].Nanoseconds())
}

// BenchmarkShare is the figure that travels between machines: (bare echo through the
// same broker + one raw TCP read) / (request and reply through the gateway). The
// three are measured in turns, so that noise meets all of them.
func BenchmarkShare(b *testing.B) {
	x := newBench(b, 0, gatewaytest.MosquittoOptions{NoDelay: true}, simulated(b), 16)
	const turns, n = 20, 200
	for b.Loop() {
		var bare, raw, through []time.Duration
		for range turns {
			bare = append(bare, x.trip(b, "echo/request", "echo/response", benchRequest, n)...)
			raw = append(raw, x.read(b, n, 0)...)
			through = append(through, x.trip(b, toGateway, fromGateway, benchRequest, n)...)
		}
		b.ReportMetric(median(bare)/1e3, "echo-µs")
		b.ReportMetric(median(raw)/1e3, "raw-µs")
		b.ReportMetric(median(through)/1e3, "gateway-µs")
		b.ReportMetric((median(bare)+median(raw))/median(through), "share")
		b.ReportMetric(rss(b, x.gateway.PID()), "loaded-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// The topics of the gateway.
const (
	toGateway   = "modferry/bench/bus/line/request/me"
	fromGateway = "modferry/bench/bus/line/response/me"
)

// rhythm is about what passes between two requests of a client that waits for each.
const rhythm = 200 * time.Microsecond

// BenchmarkQoS1 compares request and reply at QoS 1 with the bare echo: on a broker
// that sends at once, and on mosquitto's defaults, where the kernels of broker and
// clients wait for each other. The device never sleeps, as one with a processor of its
// own; its part is a raw read in the same rhythm.
func BenchmarkQoS1(b *testing.B) {
	for _, c := range []struct {
		name     string
		broker   gatewaytest.MosquittoOptions
		turns, n int
	}{
		{"nodelay", gatewaytest.MosquittoOptions{NoDelay: true}, 20, 100},
		{"defaults", gatewaytest.MosquittoOptions{}, 5, 10},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := newBench(b, 1, c.broker, startRole(b, "device"), 1)
			for b.Loop() {
				var bare, through, raw []time.Duration
				for range c.turns {
					bare = append(bare, x.trip(b, "echo/request", "echo/response", benchRequest, c.n)...)
					raw = append(raw, x.read(b, c.n, rhythm)...)
					through = append(through, x.trip(b, toGateway, fromGateway, benchRequest, c.n)...)
				}
				b.ReportMetric(median(bare)/1e3, "echo-µs")
				b.ReportMetric(median(through)/1e3, "gateway-µs")
				b.ReportMetric(median(through)/median(bare), "times-echo")
				b.ReportMetric(median(raw)/1e3, "device-µs")
				b.ReportMetric((median(through)-median(raw))/median(bare), "times-echo-without-device")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkInFlight compares the rates with 64 requests on their way, and reports the
// gateway's memory under that load.
func BenchmarkInFlight(b *testing.B) {
	for qos := range byte(2) {
		b.Run(fmt.Sprintf("QoS%d", qos), func(b *testing.B) {
			x := newBench(b, qos, gatewaytest.MosquittoOptions{NoDelay: true}, simulated(b), 16)
			const turns, n = 10, 5000
			for b.Loop() {
				var bare, through []float64
				for range turns {
					bare = append(bare, x.flood(b, "echo/request", "echo/response", benchRequest, n))
					through = append(through, x.flood(b, toGateway, fromGateway, benchRequest, n))
				}
				slices.Sort(bare)
				slices.Sort(through)
				b.ReportMetric(bare[turns/2], "echo/s")
				b.ReportMetric(through[turns/2], "gateway/s")
				b.ReportMetric(through[turns/2]/bare[turns/2], "share")
				b.ReportMetric(rss(b, x.gateway.PID()), "loaded-MiB")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkFootprint reports the size of the program and of an idle gateway with its
// devices polled, and how soon after its start a gateway answers.
func BenchmarkFootprint(b *testing.B) {
	broker := gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{NoDelay: true})
	file := benchConfig(b, 0, broker.URL(), simulated(b), 16)
	info, err := os.Stat(gatewaytest.Binary(b))
	if err != nil {
		b.Fatal(err)
	}
	app := gatewaytest.Client(b, broker.URL(), gatewaytest.ClientOptions{})
	var first []time.Duration
	var idle float64
	for b.Loop() {
		for range 5 {
			replies := app.Subscribe(fromGateway, 0)
			start := time.Now()
			g := gatewaytest.Start(b, "gateway", "-c", file)
			for answered := false; !answered; {
				app.Publish(toGateway, 0, false, benchRequest)
				select {
				case <-replies.Messages():
					answered = true
				case <-time.After(5 * time.Millisecond): // too early: nobody was there
				}
			}
			first = append(first, time.Since(start))
			idle = max(idle, rss(b, g.PID()))
			g.Stop()
			app.Unsubscribe(fromGateway).Wait()
		}
	}
	b.ReportMetric(median(first)/1e6, "first-reply-ms")
	b.ReportMetric(idle, "idle-MiB")
	b.ReportMetric(float64(info.Size())/1e6, "binary-MB")
	b.ReportMetric(0, "ns/op")
}

// rss returns the resident memory of a process in MiB.
func rss(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("memory is only measured on Linux: ", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// BenchmarkTunnel compares a transaction through a tunnel with the same one sent as a
// frame over MQTT by hand: on a serial line at 9600 baud, and to a device that takes no
// time, where all of it is the way.
func BenchmarkTunnel(b *testing.B) {
	for _, c := range []struct {
		name     string
		line     func(b *testing.B) string
		turns, n int
	}{
		{"9600baud", pacedLine, 5, 10},
		{"no-device", func(b *testing.B) string { return "tcp: " + startRole(b, "device") }, 20, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			broker := gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{NoDelay: true})
			x := &bench{qos: 1, app: gatewaytest.Client(b, broker.URL(), gatewaytest.ClientOptions{})}
			file := filepath.Join(b.TempDir(), "gateway.yaml")
			text := fmt.Sprintf("gateway: bench\nmqtt: {url: %q}\nbuses: {line: {%s}}\n", strings.Replace(broker.URL(), "tcp:", "mqtt:", 1), c.line(b))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			x.gateway = gatewaytest.Start(b, "gateway", "-c", file)
			x.app.Subscribe("modferry/bench/status", 1).Await(10*time.Second, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
			var at struct{ TCP string }
			if err := json.Unmarshal([]byte(gatewaytest.Start(b, "tunnel", "--broker", strings.Replace(broker.URL(), "tcp:", "mqtt:", 1), "--gateway", "bench", "--bus", "line", "--listen", ":0", "--json").Line("{")), &at); err != nil {
				b.Fatal(err)
			}
			var err error
			if x.device, err = net.Dial("tcp", at.TCP); err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { x.device.Close() })
			x.frame = modbus.AppendTCP(nil, modbus.ADU{Transaction: 1, Unit: 1, PDU: modbus.ReadRequest(4, 1, 1)})
			for b.Loop() {
				var hand, through []time.Duration
				for range c.turns {
					hand = append(hand, x.trip(b, toGateway, fromGateway, benchRequest, c.n)...)
					through = append(through, x.read(b, c.n, 0)...)
				}
				b.ReportMetric(median(hand)/1e3, "by-hand-µs")
				b.ReportMetric(median(through)/1e3, "tunnel-µs")
				b.ReportMetric(median(through)/median(hand), "times-by-hand")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pacedLine is a pseudo terminal that is as slow as a line at 9600 baud.
func pacedLine(b *testing.B) string {
	link := filepath.Join(b.TempDir(), "line")
	gatewaytest.Start(b, "simulator", "--profile", "xy-md02", "--pty", link, "--pace", "--json").Line("{")
	return fmt.Sprintf("serial: %q, baud: 9600", link)
}
