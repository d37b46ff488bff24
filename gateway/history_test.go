package gateway_test

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// taken is a reading as it is published, alone or in a batch.
type taken struct {
	Device, Reading string
	Value           *int
	Quality         string
	Time            time.Time
}

// everything is a retained state of the gateway of plantYAML by topic.
var plantTopics = []string{
	"modferry/w/status", "modferry/w/bus/b/status", "modferry/w/bus/gone/status", "modferry/w/device/d/status", "modferry/w/device/d",
	"modferry/w/device/d/count", "modferry/w/device/d/fixed", "modferry/w/device/dead/status", "modferry/w/device/dead/r",
}

// plantYAML has a device that is read, one that is not there, and every kind of state.
func plantYAML(url, version, device string, unused int) string {
	return fmt.Sprintf(`
gateway: w
mqtt: {url: %q, version: %q}
buses: {b: {tcp: %q, allow: [{}]}, gone: {tcp: "127.0.0.1:%d"}}
devices:
  d: {bus: b, unit: 1, every: 500ms, group: true, readings: {count: {input: 1, type: uint16}, fixed: {input: 50, type: uint16}}}
  dead: {bus: gone, unit: 1, every: 500ms, readings: {r: {input: 1, type: uint16}}}
`, url, version, device, unused)
}

// countingDevice gives another value at every read of input register 1, and register 50 stays.
func countingDevice(t *testing.T, reads *atomic.Int64) (addr string) {
	t.Helper()
	return modbusServer(t, countingHandler(reads))
}

func countingHandler(reads *atomic.Int64) func(byte, modbus.PDU) (modbus.PDU, bool) {
	return func(_ byte, p modbus.PDU) (modbus.PDU, bool) {
		if modbus.IsWrite(p.FunctionCode) {
			return p, true
		}
		at := modbus.Registers(p.Data)
		data := []byte{byte(2 * at[1])}
		n := uint16(reads.Add(1))
		for i := range at[1] {
			if at[0]+i == 50 {
				data = modbus.AppendRegisters(data, 50)
			} else {
				data = modbus.AppendRegisters(data, n)
			}
		}
		return modbus.PDU{FunctionCode: p.FunctionCode, Data: data}, true
	}
}

// Row 21: the broker is killed again and again, and requests are answered each time.
// Row 30: it has lost what was retained, and has all of it again soon.
func TestRow21And30BrokerKills(t *testing.T) {
	t.Parallel()
	for i, version := range slices.Concat(versions, versions) {
		persistent := i >= len(versions)
		t.Run(fmt.Sprintf("MQTT %s, persistence %t", version, persistent), func(t *testing.T) {
			t.Parallel()
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Persistent: persistent})
			var reads atomic.Int64
			run(t, parse(t, plantYAML(broker.URL(), version, countingDevice(t, &reads), gatewaytest.FreePort(t))))
			kills, answered := 5**rounds, 0
			var slowest time.Duration
			for range kills {
				broker.Restart()
				back := time.Now()
				app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
				states := app.Subscribe("modferry/w/#", 1)
				for missing := topicSet(plantTopics); len(missing) > 0; {
					m := states.Next(5*time.Second - time.Since(back))
					delete(missing, m.Topic)
				}
				slowest = max(slowest, time.Since(back))
				for topic := range topicSet(plantTopics) { // it is retained
					if retainedAt(t, broker.URL(), topic) == "" {
						t.Errorf("nothing is retained on %s", topic)
					}
				}
				in := app.Subscribe("modferry/w/bus/b/response/me", 1)
				app.Publish("modferry/w/bus/b/request/me", 1, false, "010400320001")
				if m := in.Next(patience); string(m.Payload) == "0104020032" {
					answered++
				}
				app.Close()
			}
			if answered != kills {
				t.Errorf("%d of %d requests are answered", answered, kills)
			}
			t.Logf("%d broker kills: %d of %d requests answered after them; all %d states there again within %v", kills, answered, kills, len(plantTopics), slowest.Round(time.Millisecond))
		})
	}
}

func topicSet(topics []string) map[string]bool {
	set := map[string]bool{}
	for _, topic := range topics {
		set[topic] = true
	}
	return set
}

// Row 23: a device dies, its connection with it.
func TestRow23DeadDeviceIsStale(t *testing.T) {
	t.Parallel()
	const every = time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int64
	stop := serveUntil(l, countingHandler(&reads))
	defer stop()
	app := start(t, fmt.Sprintf("gateway: w\nbuses: {b: {tcp: %q, timeout: 200ms}}\ndevices: {d: {bus: b, unit: 1, every: %s, readings: {count: {input: 1, type: uint16}}}}\n", l.Addr(), every))
	in := app.Subscribe("modferry/w/device/d/#", 1)
	var last taken
	in.Await(patience, func(m gatewaytest.Message) bool {
		return json.Unmarshal(m.Payload, &last) == nil && last.Quality == "good"
	})
	stop()
	died := time.Now()
	var stale, offline time.Duration
	for stale == 0 || offline == 0 {
		m := in.Next(2*every - time.Since(died))
		var now taken
		switch {
		case string(m.Payload) == "offline":
			offline = time.Since(died)
		case json.Unmarshal(m.Payload, &now) == nil && now.Quality == "good":
			last = now
		case now.Quality == "stale":
			stale = time.Since(died)
			if now.Value == nil || *now.Value != *last.Value || !now.Time.Equal(last.Time) {
				t.Errorf("stale, it is published as %s; good, it was %d of %v", m.Payload, *last.Value, last.Time)
			}
		}
	}
	t.Logf("read every %v, a device that died is stale after %v and offline after %v", every, stale.Round(time.Millisecond), offline.Round(time.Millisecond))
}

// Row 25: readings go on while the broker is away. When it is back, the present
// comes first, then what was missed, in order, at the configured rate, with its own times.
func TestRow25HistoryAtItsRate(t *testing.T) {
	t.Parallel()
	const rate = 100
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	proxy := gatewaytest.Toxiproxy(t, broker.Addr)
	var reads atomic.Int64
	yaml := fmt.Sprintf("gateway: w\nmqtt: {url: \"mqtt://%s\"}\nbacklog: {rate: %d}\nbuses: {b: {tcp: %q, timeout: 2s}}\ndevices:\n", proxy.Addr, rate, countingDevice(t, &reads))
	const devices = 10
	for i := range devices {
		yaml += fmt.Sprintf("  d%d: {bus: b, unit: %d, every: 100ms, readings: {count: {input: 1, type: uint16}}}\n", i, i+1)
	}
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	all := app.Subscribe("modferry/w/#", 1)
	run(t, parse(t, yaml))
	h := &history{t: t, rate: rate, present: map[string]bool{}, last: map[string]taken{}, seen: map[int64]bool{}}
	for len(h.present) < devices || h.live < 20*devices { // what was read before the first connection has come, too
		h.take(all.Next(patience))
	}
	proxy.Disable()
	h.left = time.Now()
	time.Sleep(4 * time.Second)   // what is tested is this absence
	for len(all.Messages()) > 0 { // what was on its way
		h.take(all.Next(patience))
	}
	h.back, h.present = time.Now(), map[string]bool{}
	proxy.Enable()
	for until := h.back.Add(2 * patience); h.records == 0 || h.missing() > devices && time.Now().Before(until); {
		h.take(all.Next(patience))
	}
	// After a quiet time, a second's worth may go at once.
	measured := float64(h.records-rate) / h.latest.Sub(h.began).Seconds()
	if measured < 0.8*rate || measured > 1.2*rate {
		t.Errorf("%.0f readings per second, want %d", measured, rate)
	}
	if h.before < 2*devices+1 {
		t.Errorf("%d states came before the history, want all %d", h.before, 2*devices+1)
	}
	if h.missing() > devices { // those on their way when the connection was cut
		t.Errorf("%d of %d readings are missing", h.missing(), len(h.seen))
	}
	t.Logf("%d states first, then %d readings of the absence in %d messages at %.0f/s of %d/s, in order; %d readings, %d not seen at all",
		h.before, h.records, h.batches, measured, rate, len(h.seen), h.missing())
}

// history is what came since the broker is back.
type history struct {
	t              *testing.T
	rate           int
	left, back     time.Time
	online         time.Time       // when the gateway was there again
	present        map[string]bool // devices that published
	before         int             // states since the broker is back, before any history
	records        int             // in all batches
	batches, live  int
	began, latest  time.Time // first and last batch
	last           map[string]taken
	oldest, newest int64
	seen           map[int64]bool
}

func (h *history) take(m gatewaytest.Message) {
	h.t.Helper()
	if m.Topic == "modferry/w/history" {
		if !h.back.IsZero() { // else what was read before the first connection
			h.batch(m)
		}
		return
	}
	if !h.back.IsZero() && h.online.IsZero() {
		h.online = time.Now()
	}
	if !h.back.IsZero() && h.batches == 0 && !strings.Contains(m.Topic, "/bus/") {
		h.present[m.Topic] = true
		h.before = len(h.present)
	}
	var r taken
	if !strings.HasSuffix(m.Topic, "/count") || m.Retained || json.Unmarshal(m.Payload, &r) != nil || r.Value == nil {
		return
	}
	if h.back.IsZero() {
		h.present[m.Topic] = true
	}
	h.see(r)
	h.live++
}

// missing is how many readings were taken and have not come.
func (h *history) missing() int { return int(h.newest-h.oldest) + 1 - len(h.seen) }

func (h *history) see(r taken) {
	v := int64(*r.Value)
	h.seen[v] = true // some come twice: live, and unacknowledged at the cut
	if h.oldest == 0 || v < h.oldest {
		h.oldest = v
	}
	h.newest = max(h.newest, v)
}

func (h *history) batch(m gatewaytest.Message) {
	h.t.Helper()
	var records []taken
	if err := json.Unmarshal(m.Payload, &records); err != nil || len(records) == 0 {
		h.t.Fatalf("history %s: %v", m.Payload, err)
	}
	if h.batches == 0 {
		h.began = time.Now()
	}
	h.batches++
	h.latest = time.Now()
	h.records += len(records)
	for _, r := range records {
		if before, ok := h.last[r.Device]; ok && (*r.Value < *before.Value || r.Time.Before(before.Time)) {
			h.t.Errorf("%s: %d of %v comes after %d of %v", r.Device, *r.Value, r.Time, *before.Value, before.Time)
		}
		if r.Time.Before(h.left.Add(-time.Second)) || r.Time.After(h.online.Add(time.Second)) || r.Quality != "good" {
			h.t.Errorf("history has %+v, the absence was from %v to %v", r, h.left, h.online)
		}
		h.last[r.Device] = r
		h.see(r)
	}
}
