package gateway_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/gatewaytest"
	"modferry/gateway/sparkplug"
	"modferry/gateway/sparkplug/sparkplugtest"
	"modferry/modbus"
)

// counter counts its reads in input register 1, keeps what is written, and is silent when it is told to be.
type counter struct {
	addr   string
	silent atomic.Bool
	reads  atomic.Int64
	mu     sync.Mutex
	wrote  []string
}

func newCounter(t *testing.T) *counter {
	p := &counter{}
	count := countingHandler(&p.reads)
	p.addr = modbusServer(t, func(unit byte, request modbus.PDU) (modbus.PDU, bool) {
		if p.silent.Load() {
			return modbus.PDU{}, false
		}
		if modbus.IsWrite(request.FunctionCode) {
			p.mu.Lock()
			p.wrote = append(p.wrote, fmt.Sprintf("%d %s", request.FunctionCode, hex.EncodeToString(request.Data)))
			p.mu.Unlock()
		}
		return count(unit, request)
	})
	return p
}

func (p *counter) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.wrote, ", ")
}

// scada is a host application that keeps what it receives of node w.
type scada struct {
	t   *testing.T
	app *gatewaytest.Peer
	in  *gatewaytest.Inbox
	all []sparkplugtest.Message
}

func newSCADA(t *testing.T, url string) *scada {
	app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{Reconnect: true})
	return &scada{t: t, app: app, in: app.Subscribe("spBv1.0/#", 1)}
}

// await receives until a message with the verb, or with what follows it in the topic as
// well, has come, and returns it.
func (s *scada) await(verb string) sparkplugtest.Message {
	s.t.Helper()
	m := s.in.Await(30*time.Second, func(m gatewaytest.Message) bool {
		s.take(m)
		return strings.Contains(m.Topic+"/", "/"+verb+"/")
	})
	return sparkplugtest.Message{Topic: m.Topic, Payload: m.Payload}
}

func (s *scada) take(m gatewaytest.Message) {
	if m.Retained {
		s.t.Errorf("%s is retained", m.Topic)
	}
	if !strings.Contains(m.Topic, "CMD/") {
		s.all = append(s.all, sparkplugtest.Message{Topic: m.Topic, Payload: m.Payload})
	}
}

// judge holds everything received since the last time to the rules, from the first birth
// of the node on, and returns what the host knows.
func (s *scada) judge() *sparkplugtest.Host {
	s.t.Helper()
	h := &sparkplugtest.Host{Group: "plant", Node: "w"}
	begun := false
	for i, p := range sparkplugtest.Decode(s.t, s.all) {
		topic := s.all[i].Topic
		if begun = begun || strings.Contains(topic, "/NBIRTH/"); !begun {
			continue
		}
		if err := h.Receive(topic, p); err != nil {
			s.t.Fatalf("message %d of %d, %s: %v", i, len(s.all), topic, err)
		}
	}
	s.all = nil
	return h
}

func (s *scada) command(topic string, m sparkplug.Metric) {
	s.t.Helper()
	p := sparkplug.Payload{Time: time.Now(), Metrics: []sparkplug.Metric{m}, Seq: -1}
	s.app.Client.Publish("spBv1.0/plant/"+topic, 0, false, p.Append(nil)) // it may be lost
}

func edgeYAML(url, version, dir string, p *counter) string {
	return fmt.Sprintf(`
gateway: w
data_dir: %q
mqtt: {url: %q, version: %q}
sparkplug: {group: plant}
buses: {b: {tcp: %q, timeout: 500ms}}
devices:
  d: {bus: b, unit: 1, every: 20ms, readings: {count: {input: 1, type: uint16, unit: l}, level: {holding: 50, type: int16, scale: 0.1, set: {min: 0, max: 10}}}}
`, dir, url, version, p.addr)
}

func TestSparkplugNode(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			broker, p, dir := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}), newCounter(t), t.TempDir()
			line := gatewaytest.Toxiproxy(t, broker.Addr)
			host := newSCADA(t, broker.URL())
			g := startSession(t, edgeYAML("mqtt://"+line.Addr, version, dir, p))
			host.await("DBIRTH")
			for range 300 { // sequence numbers begin again at 256
				host.await("DDATA")
			}
			d := host.judge().Devices["d"]
			health := d.Health["count"]
			if d.Values["level"] != 5.0 || d.Types["count"] != "UInt16" || health != 192 && health != 500 { // stale, for a moment, where the machine is busy
				t.Errorf("the host knows %+v", d)
			}

			// Births are repeated when the host asks for it.
			birth := sparkplugtest.Decode(t, []sparkplugtest.Message{rebirth(host)})[0].Values()["bdSeq"]
			host.await("DDATA")

			// The device goes, and comes back.
			p.silent.Store(true)
			host.await("DDEATH")
			p.silent.Store(false)
			host.await("DBIRTH")
			host.await("DDATA")

			// The connection is lost: the broker says so, and the next one has the next number.
			line.Disable()
			host.await("NDEATH")
			line.Enable()
			after := sparkplugtest.Decode(t, []sparkplugtest.Message{host.await("NBIRTH")})[0].Values()["bdSeq"]
			if after == birth {
				t.Errorf("bdSeq is %s again", after)
			}
			host.await("DBIRTH")
			host.await("DDATA")

			// The gateway ends, and another process takes over.
			g.stop()
			host.await("NDEATH")
			h := host.judge()
			if h.Alive() || h.Deaths < 2 || h.Births < 2 {
				t.Errorf("%d births, %d deaths, alive %t", h.Births, h.Deaths, h.Alive())
			}
			startSession(t, edgeYAML("mqtt://"+line.Addr, version, dir, p))
			if last := sparkplugtest.Decode(t, []sparkplugtest.Message{host.await("NBIRTH")})[0].Values()["bdSeq"]; last == after || last == birth {
				t.Errorf("bdSeq is %s in the next process, was %s and %s", last, birth, after)
			}
			host.await("DBIRTH")
			host.await("DDATA")
			host.judge()
		})
	}
}

// rebirth asks for births until they come, and returns that of the node.
func rebirth(s *scada) sparkplugtest.Message { return s.birthOf(nil) }

// birthOf asks for births until one comes that is wanted, and keeps what came since then.
func (s *scada) birthOf(wanted func(bdSeq uint64) bool) sparkplugtest.Message {
	s.t.Helper()
	asked := time.NewTicker(time.Second)
	defer asked.Stop()
	end := time.After(30 * time.Second)
	for {
		s.command("NCMD/w", sparkplug.Metric{Name: "Node Control/Rebirth", Type: sparkplug.Boolean, Value: sparkplug.Value{Bits: 1}})
		for again := false; !again; {
			select {
			case m := <-s.in.Messages():
				s.take(m)
				if !strings.Contains(m.Topic, "/NBIRTH/") || wanted != nil && !wanted(bdSeq(s.t, m.Payload)) {
					continue
				}
				if wanted != nil {
					s.all = s.all[len(s.all)-1:]
				}
				s.await("DBIRTH")
				return sparkplugtest.Message{Topic: m.Topic, Payload: m.Payload}
			case <-asked.C:
				again = true
			case <-end:
				s.t.Fatal("the node is not born again")
			}
		}
	}
}

func bdSeq(t *testing.T, payload []byte) uint64 {
	t.Helper()
	p, err := sparkplug.Parse(payload)
	if err != nil || len(p.Metrics) == 0 || p.Metrics[0].Name != "bdSeq" {
		t.Fatalf("%+v, %v", p, err)
	}
	return p.Metrics[0].Value.Bits
}

func TestSparkplugAfterBrokerKills(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			broker, p := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}), newCounter(t)
			host := newSCADA(t, broker.URL())
			startSession(t, edgeYAML(broker.URL(), version, t.TempDir(), p))
			last := bdSeq(t, host.await("NBIRTH").Payload)
			for range 5 * *rounds {
				broker.Restart()
				birth := host.birthOf(func(bdSeq uint64) bool { return bdSeq != last }) // the host may be back later than the node
				last = bdSeq(t, birth.Payload)
				for range 20 {
					host.await("DDATA")
				}
				if h := host.judge(); !h.Alive() || len(h.Devices) != 1 {
					t.Errorf("after a kill the host knows %+v", h)
				}
			}
		})
	}
}

func TestSparkplugHostSetsAReading(t *testing.T) {
	t.Parallel()
	p := newCounter(t)
	yaml := strings.Replace(edgeYAML("", "3.1.1", t.TempDir(), p), `mqtt: {url: "", version: "3.1.1"}`, "broker: {mqtt: 127.0.0.1:0, users: {scada: {password: x, topics: ['#']}}}", 1)
	g := startSession(t, yaml)
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{User: "scada", Password: "x", Reconnect: true})
	host := &scada{t: t, app: app, in: app.Subscribe("spBv1.0/#", 1)}
	results := app.Subscribe("modferry/w/device/d/+/set/result", 1)
	rebirth(host)
	for _, c := range []struct {
		name, value, result string
		bits                uint64
	}{
		{"level", "NaN", `"code":"invalid","message":"the command has no value`, 0x7FF8000000000000},
		{"level", "infinity", `"code":"invalid","message":"the command has no value`, 0x7FF0000000000000},
		{"other", "2.5", `"code":"invalid","message":"there is no such metric`, 0x4004000000000000},
		{"level", "2.5", `"ok":true`, 0x4004000000000000},
		{"level", "11", `"code":"denied"`, 0x4026000000000000},
		{"count", "2.5", `"code":"denied"`, 0x4004000000000000},
	} {
		host.command("DCMD/w/d", sparkplug.Metric{Name: c.name, Type: sparkplug.Double, Value: sparkplug.Value{Bits: c.bits}})
		if m := results.Next(patience); !strings.Contains(string(m.Payload), c.result) {
			t.Errorf("%s set to %s: %s", c.name, c.value, m.Payload)
		}
	}
	if got := p.written(); got != "6 00320019" {
		t.Errorf("the device was written %q", got)
	}
}

func TestSparkplugReload(t *testing.T) {
	t.Parallel()
	broker, p, dir := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}), newCounter(t), t.TempDir()
	host := newSCADA(t, broker.URL())
	yaml := edgeYAML(broker.URL(), "3.1.1", dir, p)
	more := yaml + "  e: {bus: b, unit: 2, every: 20ms, readings: {count: {input: 1, type: uint16}}}\n"
	g := startSession(t, yaml)
	host.await("DBIRTH")
	reload := func(yaml string) {
		t.Helper()
		if err := g.Reload(parse(t, yaml)); err != nil {
			t.Fatal(err)
		}
	}
	reload(more)
	host.await("DBIRTH/w/e")
	reload(strings.Replace(more, "count: {input: 1, type: uint16}}", "other: {input: 2, type: uint16}}", 1))
	host.await("DDEATH/w/e")
	host.await("DBIRTH/w/e")
	if h := host.judge(); h.Births != 1 || h.Devices["e"].Types["other"] != "UInt16" {
		t.Errorf("the host knows %+v", h.Devices["e"])
	}
	reload(yaml)
	host.await("DDEATH/w/e")
	reload(strings.Replace(yaml, "mqtt: {", "mqtt: {keepalive: 20s, ", 1)) // another connection
	host.await("NDEATH")
	host.await("NBIRTH")
	host.await("DBIRTH")
	for range 10 {
		host.await("DDATA")
	}
	host.judge()
	if err := g.Reload(parse(t, strings.Replace(yaml, "group: plant", "group: hall", 1))); !errors.Is(err, gateway.ErrRestart) {
		t.Errorf("another group: %v", err)
	}
}
