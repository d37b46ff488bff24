package gateway_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/configs"
	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // those that run in parallel mostly wait
	}
	goleak.VerifyTestMain(m)
}

const patience = 5 * time.Second

// device is a Modbus TCP device that keeps every request that reaches it. Input
// registers hold their address, writes are echoed, unit 9 never answers, and unit 8
// answers exception 2.
type device struct {
	addr        string
	mu          sync.Mutex
	seen        []modbus.ADU
	connections int           // accepted so far
	hold        chan struct{} // requests to unit 7 are answered when this is closed
}

func newDevice(t *testing.T) *device {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &device{addr: l.Addr().String(), hold: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.connections++
			d.mu.Unlock()
			stop := context.AfterFunc(t.Context(), func() { c.Close() })
			serving.Go(func() { defer stop(); d.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return d
}

func (d *device) serve(c net.Conn) {
	defer c.Close()
	header := make([]byte, modbus.HeaderSize-1)
	for {
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		n, err := modbus.TCPLength(header)
		if err != nil {
			return
		}
		frame := make([]byte, n)
		copy(frame, header)
		if _, err := io.ReadFull(c, frame[len(header):]); err != nil {
			return
		}
		request, err := modbus.ParseTCP(frame)
		if err != nil {
			return
		}
		reply, ok := d.answer(request)
		if request.Unit == 7 {
			<-d.hold
		}
		if ok {
			if _, err := c.Write(modbus.AppendTCP(nil, modbus.ADU{Transaction: request.Transaction, Unit: request.Unit, PDU: reply})); err != nil {
				return
			}
		}
	}
}

func (d *device) answer(a modbus.ADU) (modbus.PDU, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, a)
	f, data := a.PDU.FunctionCode, a.PDU.Data
	switch {
	case a.Unit == 9:
		return modbus.PDU{}, false
	case a.Unit == 8:
		return modbus.ExceptionPDU(f, modbus.IllegalDataAddress), true
	case f == modbus.ReadInputRegisters || f == modbus.ReadHoldingRegisters:
		address, n := modbus.Registers(data)[0], modbus.Registers(data)[1]
		reply := []byte{byte(2 * n)}
		for i := range n {
			reply = modbus.AppendRegisters(reply, address+i)
		}
		return modbus.PDU{FunctionCode: f, Data: reply}, true
	case f == modbus.ReadCoils:
		return modbus.PDU{FunctionCode: f, Data: []byte{1, 0b101}}, true
	case f == modbus.WriteMultipleRegisters || f == modbus.WriteMultipleCoils:
		return modbus.PDU{FunctionCode: f, Data: data[:4]}, true
	}
	return a.PDU, true
}

func (d *device) accepted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connections
}

func (d *device) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen)
}

// start runs a gateway with its embedded broker until the test ends and returns an app connected to it.
func start(t *testing.T, yaml string) *gatewaytest.Peer {
	t.Helper()
	return startAt(t, "", "broker: {mqtt: 127.0.0.1:0}\n"+yaml)
}

// startAt does the same with another broker, if url names one.
func startAt(t *testing.T, url, yaml string) *gatewaytest.Peer {
	t.Helper()
	return startAs(t, url, yaml, gatewaytest.ClientOptions{})
}

// startAs does the same with an app that connects in its own way.
func startAs(t *testing.T, url, yaml string, o gatewaytest.ClientOptions) *gatewaytest.Peer {
	t.Helper()
	g := run(t, parse(t, yaml))
	if url == "" {
		url = "tcp://" + g.Addresses().MQTT.String()
	}
	app := gatewaytest.Client(t, url, o)
	status := app.Subscribe("modferry/w/status", 1)
	if m := status.Next(patience); string(m.Payload) != "online" {
		t.Fatalf("status %q", m.Payload)
	}
	return app
}

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(yaml), config.Options{Profiles: configs.Files})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a gateway until the test ends.
func run(t *testing.T, c *config.Config) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	return g
}

func tcpGateway(d *device, extra string) string {
	return fmt.Sprintf("gateway: w\nbuses:\n  b: {tcp: %q, timeout: 200ms%s}\n", d.addr, extra)
}

// ask publishes a request as client me and returns the reply's or error's topic ending and payload.
func ask(t *testing.T, app *gatewaytest.Peer, in *gatewaytest.Inbox, payload any) (kind, reply string) {
	t.Helper()
	app.Publish("modferry/w/bus/b/request/me", 2, false, payload)
	m := in.Await(patience, func(m gatewaytest.Message) bool { return !strings.Contains(m.Topic, "/request/") })
	parts := strings.Split(m.Topic, "/")
	if m.Retained || parts[len(parts)-1] != "me" {
		t.Errorf("the reply came on %s, retained %v", m.Topic, m.Retained)
	}
	return parts[len(parts)-2], string(m.Payload)
}

func rtu(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRepliesComeInTheFormOfTheRequest(t *testing.T) {
	repliesInForm(t, start(t, tcpGateway(newDevice(t), "")))
}

func repliesInForm(t *testing.T, app *gatewaytest.Peer) {
	t.Helper()
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	for _, c := range []struct{ name, request, want string }{
		{"hex", "010400010002200B", "010404000100022B85"},
		{"lower case", "010400010002200b", "010404000100022b85"},
		{"spaces", "01 04 00 01 00 02 20 0b", "01 04 04 00 01 00 02 2b 85"},
		{"0x and commas", "0x01,0x04,0x00,0x01,0x00,0x02,0x20,0x0B", "0x01,0x04,0x04,0x00,0x01,0x00,0x02,0x2B,0x85"},
		{"bare", "010400010002", "01040400010002"},
		{"binary", rtu(t, "010400010002200B"), rtu(t, "010404000100022B85")},
		{"MBAP as text", "150100000006010400010002", "15010000000701040400010002"},
		{"MBAP as bytes", rtu(t, "150100000006010400010002"), rtu(t, "15010000000701040400010002")},
		{"ASCII", ":010400010002F8", ":01040400010002F4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if kind, reply := ask(t, app, in, c.request); kind != "response" || reply != c.want {
				t.Errorf("%s %q, want response %q", kind, reply, c.want)
			}
		})
	}
}

func TestJSONRequests(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ", allow: [{units: [1], functions: [6, 16], addresses: [10-20], values: [0-100]}]"))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	for _, c := range []struct{ request, want string }{
		{`{"id":7,"unit":1,"function":4,"address":1,"quantity":2}`, `{"id":7,"ok":true,"frame":"010404000100022B85","unit":1,"function":4,"values":[1,2]}`},
		{`{"id":"x","frame":"010400010002"}`, `{"id":"x","ok":true,"frame":"01040400010002","unit":1,"function":4,"values":[1,2]}`},
		{`{"id":8,"unit":1,"function":"read_coils","address":0,"quantity":3}`, `{"id":8,"ok":true,"frame":"01010105918B","unit":1,"function":1,"values":[true,false,true]}`},
		{`{"id":9,"unit":1,"function":6,"address":10,"values":[100]}`, `{"id":9,"ok":true,"frame":"0106000A0064A823","unit":1,"function":6,"outcome":"done"}`},
		{`{"id":10,"unit":1,"function":6,"address":10,"values":[101]}`, `{"id":10,"ok":false,"error":{"code":"denied","exception":3},"outcome":"refused"}`},
		{`{"id":11,"unit":1,"function":6,"address":9,"values":[1]}`, `{"id":11,"ok":false,"error":{"code":"denied","exception":2},"outcome":"refused"}`},
		{`{"id":12,"unit":1,"function":5,"address":9,"values":[true]}`, `{"id":12,"ok":false,"error":{"code":"denied","exception":1},"outcome":"refused"}`},
		{`{"id":13,"unit":9,"function":4,"address":1,"quantity":1}`, `{"id":13,"ok":false,"error":{"code":"timeout","exception":11}}`},
		{`{"id":14,"unit":8,"function":4,"address":1,"quantity":1}`, `{"id":14,"ok":false,"error":{"code":"exception","exception":2},"frame":"08840212C3"}`},
		{`{"id":15,"unit":1,"function":4,"address":1,"quantity":126}`, `{"id":15,"ok":false,"error":{"code":"invalid","exception":3}}`},
		{`{"id":16,"unit":1,"function":4,"address":1,"quantity":1,"expires":"2020-01-01T00:00:00Z"}`, `{"id":16,"ok":false,"error":{"code":"expired","exception":6}}`},
		{`{"id":17,"unit":1,"function":4,"adress":1}`, `{"id":17,"ok":false,"error":{"code":"bad_json"}}`},
	} {
		t.Run(c.request, func(t *testing.T) {
			kind, reply := ask(t, app, in, c.request)
			if kind != "response" {
				t.Fatalf("%s %s", kind, reply)
			}
			includes(t, reply, c.want)
		})
	}
}

// includes fails the test unless the JSON got has everything that want has, with
// the same values.
func includes(t *testing.T, got, want string) {
	t.Helper()
	var g, w map[string]any
	for into, text := range map[*map[string]any]string{&g: got, &w: want} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for key, value := range w {
		if inner, ok := value.(map[string]any); ok {
			outer, _ := g[key].(map[string]any)
			for k, v := range inner {
				if fmt.Sprint(outer[k]) != fmt.Sprint(v) {
					t.Errorf("%s.%s is %v, want %v, in %s", key, k, outer[k], v, got)
				}
			}
			if outer["message"] == nil || outer["message"] == "" {
				t.Errorf("no message in %s", got)
			}
		} else if fmt.Sprint(g[key]) != fmt.Sprint(value) {
			t.Errorf("%s is %v, want %v, in %s", key, g[key], value, got)
		}
	}
}

func TestBadInputNeverReachesTheLine(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ", allow: [{}]"))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	long := strings.Repeat("00", 600)
	for _, c := range []struct{ name, payload, kind, want string }{
		{"odd digits", "01040001000220B", "error", "not_a_frame"},
		{"bad CRC", "010400010002200C", "error", "bad_crc"},
		{"bad CRC in binary", rtu(t, "010400010002200C"), "error", "bad_crc"},
		{"bad LRC", ":010400010002F9", "error", "bad_crc"},
		{"a byte short", "0104000100", "error", "bad_length"},
		{"empty", "", "error", "empty"},
		{"over-long", long, "error", "too_large"},
		{"1 MiB", strings.Repeat("0", 1<<20), "error", "too_large"},
		{"words", "turn the heating on", "error", "not_a_frame"},
		{"mangled", "\xEF\xBF\xBD\xEF\xBF\xBD\x01", "error", "not_a_frame"},
		{"JSON without id", `{"unit":1}`, "error", "bad_json"},
		{"broken JSON", `{"unit":`, "error", "bad_json"},
		{"broken JSON with an id", `{"id":7,`, "response", "bad_json"},
		{"quantity 0", "010400010000", "response", "018403"},
		{"quantity 126", "01040001007E", "response", "018403"},
		{"span over 65536", "0104FFFF0002", "response", "018402"},
		{"FC5 with 0x1234", "010500011234", "response", "018503"},
		{"byte count wrong", "0110000100020300010002", "error", "bad_length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := d.requests()
			kind, reply := ask(t, app, in, c.payload)
			if kind != c.kind || !strings.Contains(reply, c.want) {
				t.Errorf("%s %s, want %s %s", kind, reply, c.kind, c.want)
			}
			if kind == "error" {
				var report map[string]string
				if err := json.Unmarshal([]byte(reply), &report); err != nil || report["message"] == "" || report["topic"] != "modferry/w/bus/b/request/me" || report["time"] == "" {
					t.Errorf("report %s: %v", reply, err)
				}
			}
			if n := d.requests(); n != before {
				t.Errorf("%d frames reached the line", n-before)
			}
			if _, reply := ask(t, app, in, "010400010001"); reply != "0104020001" {
				t.Errorf("the next request got %q", reply)
			}
		})
	}
}

func TestRetainedRequestNeverExecutes(t *testing.T) {
	broker, d := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{}), newDevice(t)
	before := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	refused := before.Subscribe("modferry/w/bus/b/error/me", 1)
	before.Publish("modferry/w/bus/b/request/me", 1, true, "010600010001")
	app := startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q}\n", broker.URL())+tcpGateway(d, ", allow: [{}]"))
	if m := refused.Next(patience); !strings.Contains(string(m.Payload), `"code":"retained"`) {
		t.Errorf("the retained request is reported as %s", m.Payload)
	}
	in := app.Subscribe("modferry/w/bus/b/response/you", 1)
	app.Publish("modferry/w/bus/b/request/you", 1, false, "010400010001")
	in.Next(patience)
	if n := d.requests(); n != 1 {
		t.Errorf("%d requests reached the device, want only the live one", n)
	}
}

func TestSharedTopicAnswersEachRequestOnce(t *testing.T) {
	const bus = ", request: abc, response: abc, allow: [{}]"
	t.Run("embedded broker", func(t *testing.T) {
		d := newDevice(t)
		sharedTopic(t, d, start(t, tcpGateway(d, bus)))
	})
	for qos := range 3 {
		t.Run(fmt.Sprintf("mosquitto, replies at QoS %d", qos), func(t *testing.T) {
			d, broker := newDevice(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			sharedTopic(t, d, startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q, qos: %d}\n", broker.URL(), qos)+tcpGateway(d, bus)))
		})
	}
}

func sharedTopic(t *testing.T, d *device, app *gatewaytest.Peer) {
	t.Helper()
	in := app.Subscribe("abc", 2)
	const n = 1000
	requests, replies := map[string]int{}, map[string]int{}
	received := func(window int) {
		for len(in.Messages()) > 0 || window > 0 {
			m := in.Next(patience)
			window--
			if len(m.Payload) == 12 {
				requests[string(m.Payload)]++
			} else {
				replies[string(m.Payload)]++
			}
		}
	}
	for i := range n {
		app.Publish("abc", byte(i%3), false, fmt.Sprintf("01040%03X0001", i))
		received(2)
	}
	for i := range n {
		request, reply := fmt.Sprintf("01040%03X0001", i), fmt.Sprintf("0104020%03X", i)
		if requests[request] != 1 || replies[reply] != 1 {
			t.Fatalf("request %s came %d times, reply %s %d times", request, requests[request], reply, replies[reply])
		}
	}
	// A write's reply has the bytes of its request: the loop that would never end.
	for range 20 {
		app.Publish("abc", 2, false, "010600010001")
		if m := in.Next(patience); string(m.Payload) != "010600010001" {
			t.Fatalf("got %q", m.Payload)
		}
		in.Next(patience)
	}
	in.Quiet(100 * time.Millisecond)
	if got := d.requests(); got != n+20 {
		t.Errorf("%d requests reached the device, want %d", got, n+20)
	}
}

func TestBusIsReadOnlyUntilAllowed(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ""))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	for _, request := range []string{"010600010001", "01050001FF00", "011000010001020001", "010F0001000101FF", "011600010000FFFF", "0117000100010002000102FFFF", "010800000000", "012B0E0100"} {
		before := d.requests()
		kind, reply := ask(t, app, in, request)
		if want := fmt.Sprintf("01%02X01", 0x80|rtu(t, request)[1]); kind != "response" || reply != want || d.requests() != before {
			t.Errorf("%s: %s %s, want response %s and nothing on the line", request, kind, reply, want)
		}
	}
}

func TestNoPathAndNoDevice(t *testing.T) {
	d := newDevice(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := gone.Addr().String()
	gone.Close()
	app := start(t, tcpGateway(d, "")+fmt.Sprintf("  gone: {tcp: %q, timeout: 200ms}\n", nowhere))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	if _, reply := ask(t, app, in, "090400010001"); reply != "09840B" {
		t.Errorf("a silent device: %s, want 09840B", reply)
	}
	lost := app.Subscribe("modferry/w/bus/gone/response", 1)
	app.Publish("modferry/w/bus/gone/request", 1, false, "010400010001")
	if m := lost.Next(patience); string(m.Payload) != "01840A" {
		t.Errorf("a refused connection: %s, want 01840A", m.Payload)
	}
	status := app.Subscribe("modferry/w/bus/gone/status", 1)
	m := status.Await(patience, func(m gatewaytest.Message) bool { return strings.Contains(string(m.Payload), `"unavailable":1`) })
	if !strings.Contains(string(m.Payload), `"state":"unavailable"`) {
		t.Errorf("status %s", m.Payload)
	}
}

func TestClientsSeeOnlyTheirOwnReplies(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ""))
	inboxes := map[string]*gatewaytest.Inbox{}
	for _, c := range []string{"/anna", "/ben", ""} {
		inboxes[c] = app.Subscribe("modferry/w/bus/b/response"+c, 1)
	}
	for i, c := range []string{"/anna", "/ben", ""} {
		app.Publish("modferry/w/bus/b/request"+c, 1, false, fmt.Sprintf("0104000%d0001", i))
	}
	for i, c := range []string{"/anna", "/ben", ""} {
		if m := inboxes[c].Next(patience); string(m.Payload) != fmt.Sprintf("010402000%d", i) {
			t.Errorf("client %q got %q", c, m.Payload)
		}
		inboxes[c].Quiet(20 * time.Millisecond)
	}
}

func TestAuditTellsOfEveryWrite(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ", allow: [{units: [1, 8, 9], functions: [write], addresses: [1-10]}]"))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	audit := app.Subscribe("modferry/w/audit", 1)
	for _, c := range []struct{ request, want string }{
		{"010600010007", `{"bus":"b","client":"me","unit":1,"function":6,"address":1,"values":[7],"outcome":"done"}`},
		{"011000010002040001000A", `{"function":16,"address":1,"values":[1,10],"outcome":"done"}`},
		{"010500020000", `{"function":5,"address":2,"values":[0],"outcome":"done"}`},
		{"0106000B0007", `{"unit":1,"address":11,"outcome":"refused","code":"denied","exception":2}`},
		{"010600010007", `{"outcome":"done"}`},
		{"080600010007", `{"unit":8,"outcome":"refused","code":"exception","exception":2}`},
		{"090600010007", `{"unit":9,"outcome":"unknown","code":"timeout","exception":11}`},
		{`{"id":5,"unit":1,"function":15,"address":3,"values":[true,false]}`, `{"function":15,"address":3,"values":[1,0],"outcome":"done"}`},
	} {
		ask(t, app, in, "010400010001") // reads are not told
		ask(t, app, in, c.request)
		m := audit.Next(patience)
		var got, want map[string]any
		if err := json.Unmarshal(m.Payload, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if fmt.Sprint(got[key]) != fmt.Sprint(value) {
				t.Errorf("%s: %s is %v, want %v, in %s", c.request, key, got[key], value, m.Payload)
			}
		}
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(got["time"])); err != nil || m.Retained {
			t.Errorf("%s: %v, retained %v", m.Payload, err, m.Retained)
		}
	}
	audit.Quiet(20 * time.Millisecond)
}

// A flood is answered, each request once, mostly with busy; who is polite meanwhile
// gets the device's replies.
func TestFloodCostsNobodyElseAReply(t *testing.T) {
	d, broker := newDevice(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Lines: []string{"max_queued_messages 0", "max_inflight_messages 0"}})
	app := startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q}\n", broker.URL())+tcpGateway(d, ", delay: 1ms"))
	polite := app.Subscribe("modferry/w/bus/b/response/polite", 1)
	const clients, each = 4, 1500
	var flooding sync.WaitGroup
	for i := range clients {
		flooding.Go(func() {
			peer := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{ID: fmt.Sprint("flood", i)})
			replies := peer.Subscribe(fmt.Sprintf("modferry/w/bus/b/response/flood%d", i), 0)
			for range each {
				peer.Client.Publish(fmt.Sprintf("modferry/w/bus/b/request/flood%d", i), 0, false, "010400010001")
			}
			answers := map[string]int{}
			for range each {
				answers[string(replies.Next(30*time.Second).Payload)]++
			}
			if answers["0104020001"]+answers["018406"] != each || answers["0104020001"] == 0 {
				t.Errorf("flooding client %d got %v", i, answers)
			}
			replies.Quiet(20 * time.Millisecond)
		})
	}
	for range 20 {
		app.Publish("modferry/w/bus/b/request/polite", 1, false, "010400020001")
		if m := polite.Next(30 * time.Second); string(m.Payload) != "0104020002" {
			t.Errorf("the polite client got %s", m.Payload)
		}
	}
	flooding.Wait()
}

// The same id and the same wish, however it is written, are one request; another
// wish with an id that was used before is a request of its own.
func TestRow19SameIDIsExecutedOnce(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, ", allow: [{}]"))
	in := app.Subscribe("modferry/w/bus/b/response/me", 2)
	for _, c := range []struct {
		request  string
		executed int
	}{
		{`{"id":"b","unit":1,"function":6,"address":1,"values":[3]}`, 1},
		{`{"id":"b","unit":1,"function":6,"address":1,"values":[3]}`, 1},
		{`{ "id": "b", "function": "write_single_register", "unit": 1, "values": [3], "address": 1 }`, 1},
		{`{"id":"b","unit":1,"function":6,"address":1,"values":[3],"timeout_ms":700,"expires":"2099-01-01T00:00:00Z"}`, 1},
		{`{"id":"b","frame":"01 06 00 01 00 03"}`, 1},
		{`{"id":"b","unit":1,"function":6,"address":1,"values":[4]}`, 2},
		{`{"id":"c","unit":1,"function":6,"address":1,"values":[4]}`, 3},
		{`{"unit":1,"function":6,"address":1,"values":[4]}`, 4},
		{`{"unit":1,"function":6,"address":1,"values":[4]}`, 5},
		{`010600010004`, 6},
		{`010600010004`, 7},
	} {
		app.Publish("modferry/w/bus/b/request/me", 2, false, c.request)
		if m := in.Next(patience); strings.Contains(string(m.Payload), `"ok":false`) {
			t.Errorf("%s is answered with %s", c.request, m.Payload)
		}
		if n := d.requests(); n != c.executed {
			t.Errorf("after %s the device has %d writes, want %d", c.request, n, c.executed)
		}
	}
}
