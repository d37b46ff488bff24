package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// plant is a Modbus TCP device all of whose registers are others at each read. It
// counts how many were read; a line on its standard input asks for the count.
func plant() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	var count atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c, &count)
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(count.Load())
	}
	return nil
}

func answer(c net.Conn, count *atomic.Int64) {
	defer c.Close()
	in := bufio.NewReader(c)
	var request [12]byte
	var out []byte
	for turn := uint16(1); ; turn++ {
		if _, err := io.ReadFull(in, request[:]); err != nil {
			return
		}
		first, quantity := binary.BigEndian.Uint16(request[8:]), binary.BigEndian.Uint16(request[10:])
		out = append(out, request[:4]...)
		out = binary.BigEndian.AppendUint16(out, 3+2*quantity)
		out = append(out, request[6], request[7], byte(2*quantity))
		for i := range quantity {
			out = binary.BigEndian.AppendUint16(out, first+i+turn*7)
		}
		count.Add(int64(quantity))
		if in.Buffered() > 0 { // more came together
			continue
		}
		if _, err := c.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// polling is what is polled, how often and how it is published.
type polling struct {
	Registers int
	Every     time.Duration // of all registers; 0 = as fast as it goes
	Single    bool          // one topic for each register instead of one array for each block
	QoS       byte
	For       time.Duration
	Broker    string // host:port
	Device    string // host:port
}

const block = 125 // registers of one request

// spent is what polling took.
type spent struct {
	CPU    float64 // seconds
	Values int64
	RSS    float64 // MiB
	Missed int     // periods
	Share  float64 // of the values, that the broker got: of older ones the newest only
}

// floor is the least that polling takes: one goroutine that writes a request, reads
// the reply, and publishes it over a bare MQTT connection.
func floor(text string) error {
	var p polling
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	device, err := net.Dial("tcp", p.Device)
	if err != nil {
		return err
	}
	broker, err := bareMQTT(p.Broker)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	s := spent{}
	start, before := time.Now(), cpuOf(os.Getpid())
	var reply [9 + 2*block]byte
	var payload, packets []byte
	due := start
	for turn := uint16(1); time.Since(start) < p.For; turn++ {
		for first := 0; first < p.Registers; first += block {
			request := modbus.AppendTCP(payload[:0], modbus.ADU{Transaction: turn, Unit: 1, PDU: modbus.ReadRequest(3, uint16(first), block)})
			if _, err := device.Write(request); err != nil {
				return err
			}
			if _, err := io.ReadFull(device, reply[:]); err != nil {
				return err
			}
			packets, payload = p.publish(packets[:0], payload[:0], first, reply[9:])
			if _, err := broker.Write(packets); err != nil {
				return err
			}
			s.Values += block
		}
		if p.Every > 0 {
			due = due.Add(p.Every)
			if wait := time.Until(due); wait > 0 {
				time.Sleep(wait)
			} else {
				s.Missed++
			}
		}
	}
	s.CPU = cpuOf(os.Getpid()) - before
	return json.NewEncoder(os.Stdout).Encode(s)
}

// publish appends the packets for the registers of one block; payload is scratch memory.
func (p *polling) publish(dst, payload []byte, first int, data []byte) (packets, scratch []byte) {
	if p.Single {
		for i := range block {
			payload = strconv.AppendUint(payload[:0], uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
			dst = appendPublish(dst, "floor/r", first+i, p.QoS, payload)
		}
		return dst, payload
	}
	for i := range block {
		payload = append(payload, ',')
		payload = strconv.AppendUint(payload, uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
	}
	payload[0] = '['
	payload = append(payload, ']')
	return appendPublish(dst, "floor/b", first, p.QoS, payload), payload
}

// appendPublish appends a retained PUBLISH packet [MQTT-3.3].
func appendPublish(dst []byte, prefix string, number int, qos byte, payload []byte) []byte {
	var digits [8]byte
	name := strconv.AppendInt(digits[:0], int64(number), 10)
	topic := len(prefix) + len(name)
	size := 2 + topic + len(payload)
	if qos > 0 {
		size += 2
	}
	dst = append(dst, 0x31|qos<<1)
	for ; size > 127; size >>= 7 {
		dst = append(dst, byte(size)|0x80)
	}
	dst = append(dst, byte(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(topic))
	dst = append(append(dst, prefix...), name...)
	if qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(1+number%60000))
	}
	return append(dst, payload...)
}

// bareMQTT connects, and throws away what the broker says.
func bareMQTT(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte("\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05floor")); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		return nil, err
	}
	go io.Copy(io.Discard, c)
	return c, nil
}

// cpuOf returns the CPU seconds that a process has taken.
func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const ticks = 100 // per second, as Linux tells its users
	var sum float64
	for _, f := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseFloat(f, 64)
		sum += n / ticks
	}
	return sum
}

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
// for a million values: one array for each 125 registers, and one topic for each register.
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
			c.For = 3 * time.Second
			for b.Loop() {
				floor, gateway := x.floor(c.polling), x.gateway(c.polling)
				million := func(s spent) float64 { return s.CPU / float64(s.Values) * 1e6 }
				b.ReportMetric(million(floor), "floor-s/M")
				b.ReportMetric(million(gateway), "gateway-s/M")
				b.ReportMetric(million(gateway)/million(floor), "times-floor")
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
