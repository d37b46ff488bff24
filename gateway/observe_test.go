package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/gatewaytest"
)

const served = "http: {listen: 127.0.0.1:0}\nbroker: {mqtt: 127.0.0.1:0}\n"

// counters is what /api/buses says, as far as it is looked at here.
type counters struct {
	Total, Good, Exception, Timeout, Unavailable int
}

type unitCounters struct {
	Unit       int
	Polls      counters
	Requests   counters
	Exceptions map[string]int
	Devices    []string
	Answered   time.Time
	Failure    string
	Resting    *struct{ Timeouts int }
}

type busCounters struct {
	Name, State, Error string
	Limit              int `json:"queue_limit"`
	Denied             int
	Polls, Requests    counters
	Units              []unitCounters
}

// web gets what a gateway answers over HTTP.
func web(t *testing.T, g *gateway.Gateway, path string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Addresses().HTTP.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close(); transport.CloseIdleConnections() })
	return answer
}

// awaitCounts waits until what the gateway has counted is as wanted.
func awaitCounts(t *testing.T, g *gateway.Gateway, wanted func(map[string]busCounters) bool) map[string]busCounters {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var report struct{ Buses []busCounters }
		answer := web(t, g, "/api/buses")
		if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		all := map[string]busCounters{}
		for _, b := range report.Buses {
			all[b.Name] = b
		}
		if wanted(all) {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("counted %+v", all)
		}
	}
}

func unitOf(b busCounters, unit int) unitCounters {
	for _, u := range b.Units {
		if u.Unit == unit {
			return u
		}
	}
	return unitCounters{}
}

func TestWhatPassesIsCountedByBusAndUnit(t *testing.T) {
	d := newDevice(t)
	g := run(t, parse(t, served+tcpGateway(d, ", queue: 32")+"  idle: {tcp: \"127.0.0.1:9\"}\n"+
		"devices: {meter: {bus: b, unit: 1, every: 50ms, readings: {x: {input: 1, type: int16}}}}\n"))
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	app.Subscribe("modferry/w/status", 1).Next(patience)
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	for _, frame := range []string{"010400010001", "080400010001", "080400020001", "090400010001", "010600010001"} {
		ask(t, app, in, frame)
	}
	all := awaitCounts(t, g, func(all map[string]busCounters) bool { return unitOf(all["b"], 1).Polls.Good >= 3 })
	b := all["b"]
	if b.State != "open" || b.Limit != 32 || b.Denied != 1 || b.Requests.Total != 4 {
		t.Errorf("bus %+v", b)
	}
	if u := unitOf(b, 1); u.Requests != (counters{Total: 1, Good: 1}) || len(u.Devices) != 1 || u.Devices[0] != "meter" || u.Answered.IsZero() {
		t.Errorf("unit 1 %+v", u)
	}
	if u := unitOf(b, 8); u.Requests != (counters{Total: 2, Exception: 2}) || u.Exceptions["2"] != 2 {
		t.Errorf("unit 8 %+v", u)
	}
	if u := unitOf(b, 9); u.Requests != (counters{Total: 1, Timeout: 1}) || u.Failure != "timeout" {
		t.Errorf("unit 9 %+v", u)
	}
	if idle := all["idle"]; idle.State != "unknown" || len(idle.Units) != 0 {
		t.Errorf("idle bus %+v", idle)
	}
}

func TestAUnitThatRestsIsShown(t *testing.T) {
	d := newDevice(t)
	g := run(t, parse(t, served+tcpGateway(d, ", breaker: {after: 2, probe: 30s}")+
		"devices: {dead: {bus: b, unit: 9, every: 50ms, readings: {x: {input: 1, type: int16}}}}\n"))
	all := awaitCounts(t, g, func(all map[string]busCounters) bool { return unitOf(all["b"], 9).Resting != nil })
	if u := unitOf(all["b"], 9); u.Resting.Timeouts != 2 || u.Polls.Timeout != 2 {
		t.Errorf("unit 9 %+v, resting %+v", u, u.Resting)
	}
}

// traced reads the trace of a bus.
type traced struct {
	*testing.T
	lines *bufio.Scanner
}

func traceOf(t *testing.T, g *gateway.Gateway, bus string) traced {
	t.Helper()
	answer := web(t, g, "/api/trace?bus="+bus)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the trace: %s", answer.Status)
	}
	return traced{t, bufio.NewScanner(answer.Body)}
}

// await returns the data of the next event that has the text in it.
func (l traced) await(text string) string {
	l.Helper()
	for l.lines.Scan() {
		if strings.Contains(l.lines.Text(), text) {
			return l.lines.Text()
		}
	}
	l.Fatalf("the trace ended before %s came: %v", text, l.lines.Err())
	return ""
}

func TestTraceShowsWhatPassesAndWhoAsked(t *testing.T) {
	d := newDevice(t)
	g := run(t, parse(t, served+tcpGateway(d, "")+"devices: {meter: {bus: b, unit: 1, every: 50ms, readings: {x: {input: 1, type: int16}}}}\n"))
	trace := traceOf(t, g, "b")
	trace.await(`"poll":true`)
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	app.Subscribe("modferry/w/status", 1).Next(patience)
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	ask(t, app, in, "010400070001")
	got := trace.await(`"client":"me"`)
	for _, want := range []string{`"unit":1,"framing":"tcp","poll":false`, `"request":"00000000000601` + `0400070001"`, `0104020007"`, `"outcome":"good"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	ask(t, app, in, "090400070001")
	if got := trace.await(`"unit":9`); !strings.Contains(got, `"outcome":"timeout"`) || strings.Contains(got, `"reply"`) {
		t.Errorf("a silent unit: %s", got)
	}
}

func TestTraceGoesOnOverAReloadAndEndsWithItsBus(t *testing.T) {
	d := newDevice(t)
	const listen, buses = "http: {listen: 127.0.0.1:0}\n", "buses: {b: {tcp: %q, timeout: %s}, other: {tcp: \"127.0.0.1:9\"}}\n"
	r := startReloading(t, listen+fmt.Sprintf(buses, d.addr, "200ms"))
	trace := traceOf(t, r.g, "b")
	r.ask("b", "010400070001")
	trace.await(`"client":"me"`)
	r.reload(listen + fmt.Sprintf(buses, d.addr, "300ms"))
	r.ask("b", "010400080001")
	if got := trace.await(`"client":"me"`); !strings.Contains(got, `"number":2`) {
		t.Errorf("after the change: %s", got)
	}
	if u := unitOf(awaitCounts(t, r.g, func(map[string]busCounters) bool { return true })["b"], 1); u.Requests.Good != 2 {
		t.Errorf("after the change %+v", u)
	}
	r.reload(listen + "buses: {other: {tcp: \"127.0.0.1:9\"}}\n")
	trace.await("event: gone")
	if answer := web(t, r.g, "/api/trace?bus=b"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the trace of a bus that is gone: %s", answer.Status)
	}
}

func TestATraceDoesNotHoldUpTheEnd(t *testing.T) {
	d := newDevice(t)
	c := parse(t, served+tcpGateway(d, ""))
	g, err := gateway.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	<-g.Ready()
	trace := traceOf(t, g, "b")
	cancel()
	trace.await("event: gone")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
