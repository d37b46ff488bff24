package gateway_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

var rounds = flag.Int("rounds", 1, "multiplies the rounds of the tests of known failures")

const recovery = 20 * time.Second // for many gateways to be back, on a machine that is busy

// modbusServer is a Modbus TCP device until the test ends.
func modbusServer(t *testing.T, answer server.HandlerFunc) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serveUntil(l, answer))
	return l.Addr().String()
}

// serveUntil serves until the returned function is called, which closes every connection.
func serveUntil(l net.Listener, answer server.HandlerFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.New(server.Options{Handler: answer}).ServeTCP(ctx, l) })
	return func() { cancel(); serving.Wait() }
}

// online awaits the status of gateways, by name.
func online(t *testing.T, status *gatewaytest.Inbox, gateways int) {
	t.Helper()
	seen := map[string]bool{}
	for len(seen) < gateways {
		m := status.Next(recovery)
		if string(m.Payload) == "online" {
			seen[m.Topic] = true
		} else {
			delete(seen, m.Topic)
		}
	}
}

// versions are those of MQTT, for gateways that take turns with them.
var versions = []string{"3.1.1", "5"}

// Row 17: unit n answers with exception n, for every n there is. One reading of each
// was good before, the other never.
func TestRow17NoExceptionIsAValue(t *testing.T) {
	t.Parallel()
	const codes = 255
	var broken atomic.Bool
	var exceptions atomic.Int64
	addr := modbusServer(t, func(unit byte, p modbus.PDU) (modbus.PDU, bool) {
		if broken.Load() || modbus.Registers(p.Data)[0] == 1000 {
			exceptions.Add(1)
			return modbus.ExceptionPDU(p.FunctionCode, unit), true
		}
		return modbus.PDU{FunctionCode: p.FunctionCode, Data: []byte{2, 0, 42}}, true
	})
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "gateway: w\nbroker: {mqtt: 127.0.0.1:0}\nbuses: {b: {tcp: %q, timeout: 5s, queue: 512}}\ndevices:\n", addr)
	for code := 1; code <= codes; code++ {
		form := []string{"json", "value"}[code/12%2] // the standard's codes are json
		fmt.Fprintf(&yaml, "  %s%d: {bus: b, unit: %d, every: 2s, heartbeat: 2s, payload: %s, readings: {once: {input: 1, type: uint16}, never: {input: 1000, type: uint16}}}\n",
			form, code, code, form)
	}
	g := run(t, parse(t, yaml.String()))
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	readings := app.Subscribe("modferry/w/device/+/+", 1)
	published, wrong := 0, 0
	next := func() (topic, payload string) {
		m := readings.Next(recovery)
		if !isHonest(m) {
			wrong++
			t.Errorf("%s is published as %s", m.Topic, m.Payload)
		}
		published++
		return m.Topic, string(m.Payload)
	}
	for good := map[string]bool{}; len(good) < codes; {
		if topic, payload := next(); strings.HasSuffix(topic, "/once") && strings.Contains(payload, "42") {
			good[topic] = true
		}
	}
	broken.Store(true)
	enough := exceptions.Load() + 2*2*codes // two rounds
	for stale := map[string]bool{}; len(stale) < codes/2 || exceptions.Load() < enough; {
		if topic, payload := next(); strings.Contains(payload, `"stale"`) {
			stale[topic] = true
		}
	}
	replies := app.Subscribe("modferry/w/bus/b/response/me", 1)
	for code := 1; code <= codes; code++ {
		app.Publish("modferry/w/bus/b/request/me", 1, false, fmt.Sprintf(`{"id":%d,"unit":%d,"function":4,"address":1,"quantity":1}`, code, code))
		reply := string(replies.Next(recovery).Payload)
		includes(t, reply, fmt.Sprintf(`{"id":%d,"ok":false,"error":{"code":"exception","exception":%d}}`, code, code))
		if strings.Contains(reply, "values") {
			wrong++
			t.Errorf("a reply has values: %s", reply)
		}
	}
	t.Logf("exceptions 1 to %d, %d of them from the devices: %d publications and %d replies, %d with a value that is none",
		codes, exceptions.Load(), published, codes, wrong)
}

// isHonest reports whether a publication of a device of row 17 has the one value
// that its device gave, or none where there was none.
func isHonest(m gatewaytest.Message) bool {
	device, reading := levels(m.Topic)
	if reading == "status" {
		return true
	}
	value := string(m.Payload)
	if strings.HasPrefix(device, "json") {
		var s struct{ Value json.RawMessage }
		if json.Unmarshal(m.Payload, &s) != nil {
			return false
		}
		value = string(s.Value)
	}
	return reading == "once" && value == "42" || value == "null" || value == ""
}

// levels returns the last two levels of a topic.
func levels(topic string) (device, reading string) {
	parts := strings.Split(topic, "/")
	return parts[len(parts)-2], parts[len(parts)-1]
}

// lineup is gateways w0, w1... of both versions in this process, behind a proxy in front of mosquitto.
type lineup struct {
	proxy  *gatewaytest.Proxy
	app    *gatewaytest.Peer // not through the proxy
	status *gatewaytest.Inbox
	size   int
}

// newLineup prepares; run starts the gateways, with one bus each.
func newLineup(t *testing.T, size int) *lineup {
	t.Helper()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	l := &lineup{proxy: gatewaytest.Toxiproxy(t, broker.Addr), app: gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{}), size: size}
	l.status = l.app.Subscribe("modferry/+/status", 1)
	return l
}

func (l *lineup) run(t *testing.T, device string) {
	t.Helper()
	for i := range l.size {
		run(t, parse(t, fmt.Sprintf("gateway: w%d\nmqtt: {url: \"mqtt://%s\", version: %q}\nbuses: {b: {tcp: %q, queue: 1024, allow: [{}]}}\n",
			i, l.proxy.Addr, versions[i%2], device)))
	}
	online(t, l.status, l.size)
}

func (l *lineup) topic(i int, kind, client string) string {
	return fmt.Sprintf("modferry/w%d/bus/b/%s/%s", i, kind, client)
}

// Row 18: retained writes, and connections that are lost again and again.
func TestRow18RetainedWritesNeverExecute(t *testing.T) {
	t.Parallel()
	d := newLedger(t)
	l := newLineup(t, 10)
	refused := l.app.Subscribe("modferry/+/bus/b/error/+", 1)
	for i := range l.size {
		for qos := range 3 {
			l.app.Publish(l.topic(i, "request", fmt.Sprint("q", qos)), byte(qos), true, "010600010001")
		}
	}
	l.run(t, d.addr)
	reports := 0
	awaitReports := func() {
		t.Helper()
		missing := map[string]bool{}
		for i := range l.size {
			for qos := range 3 {
				missing[l.topic(i, "error", fmt.Sprint("q", qos))] = true
			}
		}
		for len(missing) > 0 {
			m := refused.Next(recovery)
			if strings.Contains(string(m.Payload), `"code":"retained"`) {
				reports++
				delete(missing, m.Topic)
			}
		}
	}
	awaitReports()
	cuts := 10 * *rounds
	if testing.Short() {
		cuts = 2
	}
	for cut := range cuts {
		if cut%2 == 0 {
			l.proxy.Disable()
			l.proxy.Enable()
		} else {
			l.proxy.Reset(gatewaytest.Down, 0)
			for i := range l.size { // the data that it waits for
				l.app.Publish(l.topic(i, "request", "me"), 0, false, "")
			}
			awaitStatus(t, l.status, l.size, "offline")
			l.proxy.Clear()
		}
		online(t, l.status, l.size)
		awaitReports()
	}
	replies := l.app.Subscribe("modferry/+/bus/b/response/me", 1)
	for i := range l.size {
		l.app.Publish(l.topic(i, "request", "me"), 1, false, fmt.Sprintf("01060001%04X", 100+i))
		replies.Next(recovery)
	}
	written := d.written()
	if written[1] != 0 || len(written) != l.size {
		t.Errorf("the device has these writes: %v, want the %d live ones", written, l.size)
	}
	t.Logf("%d reconnects, %d times a retained write came and was refused: %d writes at the device", cuts*l.size, reports, written[1])
}

// awaitStatus waits until each gateway said so.
func awaitStatus(t *testing.T, status *gatewaytest.Inbox, gateways int, want string) {
	t.Helper()
	seen := map[string]bool{}
	for len(seen) < gateways {
		if m := status.Next(recovery); string(m.Payload) == want {
			seen[m.Topic] = true
		}
	}
}

// Row 19: the requests come, the writes are made, and every acknowledgement and reply is lost.
func TestRow19LostAcknowledgements(t *testing.T) {
	t.Parallel()
	d := newLedger(t)
	l := newLineup(t, 10)
	l.run(t, d.addr)
	replies := l.app.Subscribe("modferry/+/bus/b/response/me", 1)
	settled := l.app.Subscribe("modferry/+/bus/b/response/settle", 1)
	const each = 20 // as many as mosquitto delivers before an acknowledgement
	sent, lost, answers, cuts := 0, 0, 0, 0
	enough := 1000 * *rounds
	if testing.Short() {
		enough = 200
	}
	for lost < enough {
		l.proxy.Blackhole(gatewaytest.Up)
		before, open := len(d.written()), map[string]bool{}
		for n := range each {
			for i := range l.size {
				sent++
				request := fmt.Sprintf("0106%04X%04X", cuts, sent)
				if n%3 == 0 {
					request = fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":%d,"values":[%d]}`, sent, cuts, sent)
				}
				l.app.Publish(l.topic(i, "request", "me"), byte(1+n%2), false, request)
				open[fmt.Sprint(sent)] = true
			}
		}
		// What the round before has not ended keeps some back at the broker.
		eventually(t, "the writes are made", func() bool { return len(d.written()) > sent-each })
		lost += len(d.written()) - before
		l.proxy.Clear() // ends the connections that it troubled
		for len(open) > 0 {
			answers++
			delete(open, writtenValue(t, replies.Next(recovery).Payload))
		}
		online(t, l.status, l.size)
		for i := range 2 * l.size { // what these wait for ends meanwhile
			l.app.Publish(l.topic(i%l.size, "request", "settle"), 2, false, "010400010001")
			settled.Next(recovery)
		}
		cuts++
	}
	twice := 0
	for value, n := range d.written() {
		if n > 1 {
			twice++
			t.Errorf("value %d was written %d times", value, n)
		}
	}
	t.Logf("%d writes in %d cuts, the acknowledgements of %d of them lost: %d at the device, %d more than once; all answered, by %d replies",
		sent, cuts, lost, len(d.written()), twice, answers)
}

// writtenValue returns which write a reply is of, and fails the test if it is no good one.
func writtenValue(t *testing.T, reply []byte) string {
	t.Helper()
	var said struct {
		ID      int
		OK      bool
		Outcome string
	}
	var unit, function byte
	var address, value uint16
	if json.Unmarshal(reply, &said) == nil && said.OK && said.Outcome == "done" {
		return fmt.Sprint(said.ID)
	}
	if n, _ := fmt.Sscanf(string(reply), "%02X%02X%04X%04X", &unit, &function, &address, &value); n != 4 || function != 6 {
		t.Fatalf("a write is answered with %s", reply)
	}
	return fmt.Sprint(value)
}

// Row 20: a device does not answer for several times the keepalive, and more requests
// wait for it than mosquitto delivers ahead of acknowledgements.
func TestRow20StalledBusCostsNoConnection(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			stalled, lively := newDevice(t), newDevice(t)
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
			app := startAt(t, broker.URL(), fmt.Sprintf("gateway: w\nmqtt: {url: %q, version: %q, keepalive: 1s}\nbuses:\n  dead: {tcp: %q, timeout: 60s}\n  b: {tcp: %q}\n",
				broker.URL(), version, stalled.addr, lively.addr))
			status := app.Subscribe("modferry/w/status", 1)
			status.Next(patience) // what is retained
			late := app.Subscribe("modferry/w/bus/dead/response/me", 1)
			in := app.Subscribe("modferry/w/bus/b/+/me", 2)
			const waiting = 50
			for i := range waiting {
				app.Publish("modferry/w/bus/dead/request/me", byte(i%3), false, fmt.Sprintf("0704%04X0001", i))
			}
			stall := 5 * time.Second * time.Duration(*rounds)
			answers, slowest := 0, time.Duration(0)
			for end := time.Now().Add(stall); time.Now().Before(end); answers++ {
				began := time.Now()
				readsWell(t, app, in)
				slowest = max(slowest, time.Since(began))
				time.Sleep(10 * time.Millisecond) // the pace of an app
			}
			said := len(status.Messages()) // both ends of a connection are told there
			if said > 0 {
				t.Errorf("the connection was lost: %d messages on the status topic", said)
			}
			late.Quiet(0)
			close(stalled.hold)
			replies := map[string]int{}
			for range waiting {
				replies[string(late.Next(patience).Payload)]++
			}
			for i := range waiting {
				if reply := fmt.Sprintf("070402%04X", i); replies[reply] != 1 {
					t.Errorf("reply %s came %d times", reply, replies[reply])
				}
			}
			t.Logf("a bus stalled for %v with %d requests, keepalive 1s: %d disconnects; another bus gave %d replies, the slowest after %v; then all %d answered once",
				stall, waiting, said, answers, slowest.Round(time.Millisecond), len(replies))
		})
	}
}
