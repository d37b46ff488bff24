package gateway_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/configs"
	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/gatewaytest"
)

// The whole fleet is 10,000 devices that are read every 5 s. With the race detector,
// which makes everything several times slower, and with -short it is smaller.
var fleetGateways = flag.Int("fleet", 0, "gateways of the fleet test; 0 is 200, with the race detector 20, with -short 5")

const (
	fleetDevices = 50              // of each gateway
	fleetLines   = 4               // simulators, each with as many units
	fleetPeriods = 3               // that are measured
	fleetStart   = time.Minute     // for every device to be online
	fleetLate    = 2 * time.Second // that a sample may come late: the machine has other things to do, too
)

// fleetSize returns how many gateways there are and how often they read a device.
func fleetSize() (gateways int, every time.Duration) {
	switch {
	case *fleetGateways > 0:
		return *fleetGateways, 5 * time.Second
	case testing.Short():
		return 5, time.Second
	case raced:
		return 20, time.Second
	}
	return 200, 5 * time.Second
}

// fleet is what the gateways of a fleet need and what is known of their devices.
type fleet struct {
	t      testing.TB
	every  time.Duration
	broker *gatewaytest.Server
	lines  []string // addresses of the simulators
	app    *gatewaytest.Peer

	mu      sync.Mutex
	online  map[string]bool // by topic of the device
	samples map[string]sample
}

type sample struct {
	Value   *float64
	Quality string
	Time    time.Time
}

func newFleet(t testing.TB, every time.Duration) *fleet {
	t.Helper()
	f := &fleet{t: t, every: every, online: map[string]bool{}, samples: map[string]sample{}}
	// Who subscribes to a whole fleet gets more retained messages at once than mosquitto keeps for one client.
	f.broker = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true, Lines: []string{"max_queued_messages 0"}})
	for range fleetLines {
		f.lines = append(f.lines, f.simulator())
	}
	f.app = gatewaytest.Client(t, f.broker.URL(), gatewaytest.ClientOptions{})
	return f
}

// simulator runs a process with the devices of one line and returns its address.
func (f *fleet) simulator() string {
	f.t.Helper()
	text := "tcp: 127.0.0.1:0\ndevices:\n"
	for unit := range fleetDevices {
		text += fmt.Sprintf("  - {profile: xy-md02, unit: %d}\n", unit+1)
	}
	file := filepath.Join(f.t.TempDir(), "simulator.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	var places struct{ TCP string }
	if err := json.Unmarshal([]byte(gatewaytest.Start(f.t, "simulator", "-c", file, "--json").Line("{")), &places); err != nil {
		f.t.Fatal(err)
	}
	return places.TCP
}

// config returns the configuration of gateway i: one bus with all its devices, one reading of each.
func (f *fleet) config(i int) *config.Config {
	f.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "gateway: g%d\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\"}\nbuses: {b: {tcp: %q}}\ndevices:\n",
		i, f.t.TempDir(), f.broker.Addr, f.lines[i%len(f.lines)])
	for unit := range fleetDevices {
		fmt.Fprintf(&text, "  d%d: {bus: b, unit: %d, every: %v, heartbeat: %v, readings: {temperature: {input: 1, type: int16, scale: 0.1}}}\n",
			unit+1, unit+1, f.every, f.every)
	}
	c, err := config.Parse("fleet.yaml", []byte(text.String()), config.Options{Profiles: configs.Files})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// run runs gateways until the test ends.
func (f *fleet) run(configs []*config.Config) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	f.t.Cleanup(func() { cancel(); running.Wait() })
	for _, c := range configs {
		g, err := gateway.New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			f.t.Fatal(err)
		}
		running.Go(func() {
			if err := g.Run(ctx); err != nil {
				f.t.Errorf("gateway %s ended with %v", c.Gateway, err)
			}
		})
	}
}

const fleetStatus, fleetReadings = "modferry/+/device/+/status", "modferry/+/device/+/temperature"

// watch takes in what is published, until unwatch.
func (f *fleet) watch() {
	f.t.Helper()
	for filter, handle := range map[string]paho.MessageHandler{fleetStatus: f.status, fleetReadings: f.reading} {
		token := f.app.Client.Subscribe(filter, 0, handle)
		if !token.WaitTimeout(fleetStart) || token.Error() != nil {
			f.t.Fatalf("cannot subscribe: %v", token.Error())
		}
	}
}

func (f *fleet) unwatch() {
	f.t.Helper()
	if token := f.app.Client.Unsubscribe(fleetStatus, fleetReadings); !token.WaitTimeout(patience) || token.Error() != nil {
		f.t.Fatalf("cannot unsubscribe: %v", token.Error())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.online)
	clear(f.samples)
}

func (f *fleet) status(_ paho.Client, m paho.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.online[strings.TrimSuffix(m.Topic(), "/status")] = string(m.Payload()) == "online"
}

func (f *fleet) reading(_ paho.Client, m paho.Message) {
	var s sample
	if err := json.Unmarshal(m.Payload(), &s); err != nil {
		f.t.Errorf("%s: %q", m.Topic(), m.Payload())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.samples[strings.TrimSuffix(m.Topic(), "/temperature")] = s
}

// good returns how many devices are online with a good value that is not too old.
func (f *fleet) good(age time.Duration) (n int, oldest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for device, s := range f.samples {
		old := time.Since(s.Time)
		oldest = max(oldest, old)
		if f.online[device] && s.Value != nil && s.Quality == "good" && old <= age {
			n++
		}
	}
	return n, oldest
}

// await waits until all devices are good.
func (f *fleet) await(devices int, limit time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		n, oldest := f.good(f.every + fleetLate)
		if n == devices {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("after %v %d of %d devices are online with a fresh value; the oldest is of %v ago", limit, n, devices, oldest)
		}
	}
}

// figures are what the fleet costs this process.
type figures struct {
	started    time.Duration // until every device was online and published
	goroutines float64       // for a device
	heap       float64       // KiB in use for a device
	resident   float64       // KiB of the whole process for a device; 0 where it is not known
	cpu        float64       // µs for a reading
}

func measureFleet(t testing.TB, gateways int, every time.Duration) figures {
	t.Helper()
	f := newFleet(t, every)
	devices := gateways * fleetDevices
	var all []*config.Config
	for i := range gateways {
		all = append(all, f.config(i))
	}
	f.watch()
	before, heapBefore := runtime.NumGoroutine(), heapInUse()
	begin := time.Now()
	f.run(all)
	f.await(devices, fleetStart)
	var x figures
	x.started = time.Since(begin)
	f.unwatch()

	used := cpuTime()
	time.Sleep(fleetPeriods * every) // what is measured is this time
	x.cpu = float64((cpuTime() - used).Microseconds()) / float64(devices*fleetPeriods)
	x.goroutines = float64(runtime.NumGoroutine()-before) / float64(devices)
	x.resident = float64(residentKiB()) / float64(devices)
	x.heap = float64(heapInUse()-heapBefore) / 1024 / float64(devices)
	f.watch() // the retained readings of that time: every device still publishes
	f.await(devices, fleetLate)
	return x
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A fleet of gateways, all their devices online and publishing at their rate.
func TestFleet(t *testing.T) {
	gateways, every := fleetSize()
	x := measureFleet(t, gateways, every)
	t.Logf("%d gateways with %d devices each, one reading every %v: all online after %v", gateways, fleetDevices, every, x.started.Round(time.Millisecond))
	t.Logf("a device: %.2f goroutines, %.1f KiB of heap and stacks, %.1f KiB of the process; a reading: %.0f µs of CPU", x.goroutines, x.heap, x.resident, x.cpu)
	const most = 64 // KiB, with the race detector, which makes stacks larger; twice what was seen
	if x.heap > most {
		t.Errorf("a device takes %.0f KiB", x.heap)
	}
}

func BenchmarkFleet(b *testing.B) {
	gateways, every := fleetSize()
	for range b.N {
		x := measureFleet(b, gateways, every)
		b.ReportMetric(x.cpu, "µs/reading")
		b.ReportMetric(x.heap, "KiB/device")
		b.ReportMetric(x.goroutines, "goroutines/device")
		b.ReportMetric(x.started.Seconds(), "s/start")
	}
}
