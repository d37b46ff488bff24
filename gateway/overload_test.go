package gateway_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

const (
	overloadRegisters = 1000
	overloadFor       = 3 * time.Second
	mostAge           = time.Second
	mostGrowth        = 12 << 10 // KiB; all that is read meanwhile would be thrice that
)

// ages takes note of how old readings are when they come.
type ages struct {
	mu     sync.Mutex
	n      int
	oldest time.Duration
	topics map[string]bool
}

func (a *ages) take(_ paho.Client, m paho.Message) {
	var r struct{ Time time.Time }
	if m.Retained() || json.Unmarshal(m.Payload(), &r) != nil {
		return
	}
	age := time.Since(r.Time)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	a.oldest = max(a.oldest, age)
	a.topics[m.Topic()] = true
}

func (a *ages) reset() (n, topics int, oldest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, topics, oldest = a.n, len(a.topics), a.oldest
	a.n, a.oldest, a.topics = 0, 0, map[string]bool{}
	return n, topics, oldest
}

// The broker takes far less than there is to publish: what it gets is new all the
// same, and what it does not get costs no memory.
func TestSlowBrokerGetsTheNewestReadings(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, c := range []struct {
		version string
		qos     int
		rate    int // kilobytes a second
		blocks  bool
	}{{"3.1.1", 0, 40, false}, {"5", 0, 40, false}, {"3.1.1", 1, 40, false}, {"5", 1, 40, true}, {"3.1.1", 0, 400, false}, {"3.1.1", 1, 40, true}} {
		t.Run(fmt.Sprintf("%s QoS %d %d kB/s, blocks %t", c.version, c.qos, c.rate, c.blocks), func(t *testing.T) {
			t.Parallel()
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			line := gatewaytest.Toxiproxy(t, broker.Addr)
			line.Bandwidth(gatewaytest.Up, c.rate)
			var reads atomic.Int64
			var readings strings.Builder
			topics, each := overloadRegisters, ""
			if c.blocks {
				topics, each = overloadRegisters/100, ", count: 100"
			}
			for i := range topics {
				fmt.Fprintf(&readings, "      r%d: {input: %d, type: uint16%s}\n", i, 100+i*overloadRegisters/topics, each)
			}
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			a := &ages{topics: map[string]bool{}}
			app.Client.Subscribe("modferry/w/device/d/+", 0, a.take).Wait()
			run(t, parse(t, fmt.Sprintf("gateway: w\nmqtt: {url: 'mqtt://%s', version: %q, qos: %d}\nbuses: {b: {tcp: %q}}\ndevices:\n  d:\n    bus: b\n    unit: 1\n    every: 50ms\n    readings:\n%s",
				line.Addr, c.version, c.qos, countingDevice(t, &reads), readings.String())))
			for end := time.Now().Add(4 * patience); ; time.Sleep(10 * time.Millisecond) { // until every topic has been there
				a.mu.Lock()
				seen := len(a.topics)
				a.mu.Unlock()
				if seen >= topics {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("only %d readings came", seen)
				}
			}
			a.reset()
			before := memory()
			start := time.Now()
			time.Sleep(overloadFor)
			n, seen, oldest := a.reset()
			took := time.Since(start)
			t.Logf("%d messages of %d topics in %v, the oldest %v, while %d reads were made", n, seen, took.Round(time.Millisecond), oldest.Round(time.Millisecond), reads.Load())
			if oldest > mostAge {
				t.Errorf("a reading was %v old when it came", oldest)
			}
			if n == 0 {
				t.Error("nothing came")
			}
			if grown := memory() - before; grown > mostGrowth {
				t.Errorf("memory grew by %d KiB", grown)
			}
		})
	}
}

// memory returns what is kept in this process, in KiB: of a queue that grows, every message.
func memory() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc >> 10)
}
