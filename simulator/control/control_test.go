package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

var (
	readOne  = modbus.ReadRequest(modbus.ReadHoldingRegisters, 0x103, 1)
	readBoth = modbus.ReadRequest(modbus.ReadInputRegisters, 1, 2)
	writeOne = modbus.WriteRegisterRequest(0x103, 10)
)

func TestValues(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	b.want("PUT /devices/1/values", `{"temperature": -20.5, "humidity": 54.6, "temperature_correction": 1}`, 200, `"temperature_correction","value":1`)
	if got := b.say(1, readBoth); got != "0404"+"FF3D"+"0222" { // -20.5 + 1.0
		t.Errorf("the device says %s", got)
	}
	b.want("GET /devices/1/values/temperature", "", 200, `{"name":"temperature","value":-19.5,"unit":"°C","table":"input","address":1,"moves":true,"pinned":true,"min":-40,"max":60,"step":0.1}`)
	b.want("PUT /devices/1/values/temperature", " 30.5\n", 200, `"value":31.5`)
	b.want("DELETE /devices/1/values/humidity", "", 200, `"pinned":false`)
	before, _ := b.ask("GET /devices/1/values/temperature", "")
	for body, want := range map[string]string{
		`{"temperature": 5, "none": 1}`:                     "none: profile xy-md02 has no register",
		`{"temperature": 5, "temperature_correction": "a"}`: "temperature_correction",
		`{"temperature": 5000, "humidity": "wet"}`:          "temperature cannot be 5000",
		`{"temperature": 5} {}`:                             "something after its JSON",
		`{"temperature": `:                                  "no JSON",
		`[1]`:                                               "cannot be an array",
		`{}`:                                                "names no values",
		``:                                                  "no body",
		`{"temperature": {"value": 1}}`:                     "",
		`{"temperature": 1, "humidity": true}`:              "humidity",
		`{"unit": 300, "temperature": 3, "baud": "fast"}`: "",
	} {
		b.want("PUT /devices/1/values", body, 400, want)
	}
	if after, _ := b.ask("GET /devices/1/values/temperature", ""); after != before {
		t.Errorf("a mistake changed the value: %d", after)
	}
	b.want("PUT /devices/1/values/none", "1", 404, `no register or reading \"none\"`)
	b.want("GET /devices/2/values", "", 404, "there are 1")
	b.want("GET /devices/x", "", 404, "there are 1")
}

func TestTables(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	b.want("PUT /devices/1/tables/input/1", `{"values": [32768, 65535], "pin": true}`, 200, `"values":[32768,65535]`)
	if got := b.say(1, readBoth); got != "0404"+"8000FFFF" {
		t.Errorf("the device says %s", got)
	}
	b.want("GET /devices/1/tables/input/0x0001?quantity=2", "", 200, `{"table":"input","address":1,"values":[32768,65535]}`)
	b.want("DELETE /devices/1/tables/input/0?quantity=65536", "", 200, `{"unpinned":2}`)
	b.want("PUT /devices/1/tables/holding/259", `{"values": [7]}`, 200, "")
	if got := b.say(1, readOne); got != "0302"+"0007" {
		t.Errorf("the device says %s", got)
	}
	for request, want := range map[string]string{
		"PUT /devices/1/tables/holding/259 {}":                         "no values",
		"PUT /devices/1/tables/holding/259 {\"values\": [65536]}":      "values",
		"PUT /devices/1/tables/holding/259 {\"values\": [1], \"x\":1}": `the key \"x\"`,
		"PUT /devices/1/tables/holding/259 {\"values\": [1, 1, 1]}":    "does not have 3 holding registers",
		"PUT /devices/1/tables/holding/65536 {\"values\": [1]}":        "0 to 65535",
		"GET /devices/1/tables/holding/-1 ":                            "0 to 65535",
		"GET /devices/1/tables/registers/1 ":                           "possible are coils",
		"GET /devices/1/tables/holding/1?quantity=0 ":                  "from 1 to 65536",
		"GET /devices/1/tables/holding/1?quantity=1&quantity=2 ":       "keep one",
		"GET /devices/1/tables/holding/1?quantity= ":                   "has no value",
		"GET /devices/1/tables/holding/1?count=2 ":                     "possible are quantity",
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		b.want(method+" "+path, body, 400, want)
	}
	b.want("GET /devices/1/tables/holding/1", "", 404, "does not have 1 holding registers from address 1")
	if got := b.say(1, readOne); got != "0302"+"0007" {
		t.Errorf("a mistake made it %s", got)
	}
}

func TestFaults(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	b.want("POST /faults", "{\n\t\"functions\": [\"read\"],\n\t\"exception\": 6, \"count\": 1\n}", 201, `{"fault":{"name":"fault-1","functions":["read"],"count":1,"exception":6},"matched":0,"applied":0,"spent":false}`)
	if got := b.say(1, readOne) + b.say(1, readOne); got != "8306"+"03020000" {
		t.Errorf("the device says %s", got)
	}
	b.want("GET /faults/fault-1", "", 200, `"matched":1,"applied":1,"spent":true`)
	for body, want := range map[string]string{
		`{"dely": "1s"}`:                     "did you mean delay?",
		`{"delay": "1s", "name": "fault-1"}`: "the name is taken",
		`{"bad_check": true}`:                "none of the faces, which are tcp (TCP)",
		`[{"delay": "1s"}]`:                  "a fault is an object",
		`{"delay": "1s"} x`:                  "something after its JSON",
		`delay: 1s`:                          "no JSON",
		`{"exception": 300, "units": "9-1"}`: "exception",
	} {
		b.want("POST /faults", body, 400, want)
	}
	b.want("PUT /faults", `{"faults": [{"delay": "1s"}, {"delai": "1s"}, {"close": true, "bad_check": true}]}`, 400, "faults[1]: ")
	b.want("PUT /faults", `{"faults": [{"delay": "1s"}, {"bad_check": true}]}`, 400, "none of the faces")
	b.want("PUT /faults", `{}`, 400, "has no faults")
	b.want("GET /faults", "", 200, `{"faults":[{"fault":{"name":"fault-1"`) // as before
	b.want("PUT /faults", `{"faults": [{"name": "a", "close": true}, {"name": "b", "raw": "00"}]}`, 200, `"name":"b","raw":"00"`)
	b.want("DELETE /faults/a", "", 204, "")
	b.want("DELETE /faults/a", "", 404, `no fault \"a\"`)
	b.want("GET /faults", "", 200, `{"faults":[{"fault":{"name":"b"`)
	b.want("DELETE /faults", "", 204, "")
	b.want("GET /faults", "", 200, `{"faults":[]}`)
}

func TestClockAndPower(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := simulator.NewPausedClock(start)
	b := newBench(t, simulator.Options{Clock: clock}, "")
	b.want("GET /clock", "", 200, `{"now":"2026-01-01T00:00:00Z","speed":1,"paused":true}`)
	first := b.say(1, readBoth)
	if again := b.say(1, readBoth); again != first {
		t.Errorf("while the clock stands the device says %s, and then %s", first, again)
	}
	b.want("POST /clock/step", `{"by": "1h30m"}`, 200, `"now":"2026-01-01T01:30:00Z"`)
	if later := b.say(1, readBoth); later == first {
		t.Errorf("90 minutes later the device still says %s", later)
	}
	b.want("PUT /clock", `{"speed": 60}`, 200, `"speed":60,"paused":true`)
	for body, want := range map[string]string{
		`{"speed": 0, "paused": false}`: "speed", `{"speed": -1}`: "speed", `{}`: "nothing is to change", `{"paused": "no"}`: "paused",
	} {
		b.want("PUT /clock", body, 400, want)
	}
	for _, body := range []string{`{"by": "-1s"}`, `{"by": "0s"}`, `{"by": 5}`, `{"to": "1s"}`, `{}`} {
		b.want("POST /clock/step", body, 400, "")
	}
	b.want("GET /clock", "", 200, `"paused":true`)
	b.want("PUT /clock", `{"paused": false}`, 200, `"paused":false`)

	b.say(1, modbus.WriteRegisterRequest(0x101, 8))
	b.want("GET /devices", "", 200, `"unit":1`)
	b.want("POST /power-cycle", "", 200, `{"devices":[{"unit":8,`)
	b.want("GET /status", "", 200, `"faults":0`)
	b.say(8, modbus.WriteRegisterRequest(0x101, 9))
	b.want("POST /devices/8/power-cycle", "", 200, `{"unit":9,"profile":"xy-md02"`)
}

func TestCalls(t *testing.T) {
	b := newBench(t, simulator.Options{Calls: 100}, "")
	b.say(1, readOne)
	b.say(1, writeOne)
	b.say(1, readBoth)
	b.want("GET /calls?since=1&function=write", "", 200, `"more":false,"last":3,"kept":3,"lost":0}`)
	var list struct {
		Calls []struct {
			Number  int
			Request string
		}
		More bool
	}
	for query, want := range map[string]string{
		"": "1 2 3 false", "?limit=2": "1 2 true", "?since=2": "3 false", "?function=6": "2 false", "?function=write_single_register&unit=1": "2 false",
		"?unit=2-9": "false", "?address=0x0100-0x01FF": "1 2 false", "?address=2": "3 false", "?answered=false": "false", "?answered=true&limit=1&since=1": "2 true",
		"?face=tcp&function=read": "1 3 false", "?fault=x": "false",
	} {
		_, text := b.ask("GET /calls"+query, "")
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, c := range list.Calls {
			got += fmt.Sprint(c.Number, " ")
		}
		if got += fmt.Sprint(list.More); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"?since=x": "since", "?function=red": "functions", "?unit=a": "unit: expected", "?address=9-1": "address: expected", "?answered=yes": "true or false",
		"?limit=0": "from 1 to 10000", "?limit=10001": "from 1 to 10000", "?functions=6": "possible are",
	} {
		b.want("GET /calls"+query, "", 400, want)
	}
	b.want("GET /calls/wait?timeout=11m", "", 400, "timeout must be")
	b.want("GET /calls/wait?timeout=x", "", 400, "timeout must be")
	b.want("GET /calls/wait?function=6&address=259&timeout=5s", "", 200, `"number":2,`)
	b.want("GET /calls/wait?function=6&since=2&timeout=10ms", "", 408, "no such call came within 10ms")
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if status, text, err := b.try("GET /calls/wait?function=6&since=3&timeout=10s", "", func(*http.Request) {}); err != nil || status != 200 || !strings.Contains(text, `"number":5,`) {
			t.Errorf("%d %s, %v", status, text, err)
		}
	})
	b.say(1, readOne)
	b.say(1, writeOne)
	waiting.Wait()
	b.want("DELETE /calls", "", 204, "")
	b.want("GET /calls", "", 200, `{"calls":[],"more":false,"last":5,"kept":0,"lost":0}`)

	none := newBench(t, simulator.Options{}, "")
	for _, request := range []string{"GET /calls", "DELETE /calls", "GET /calls/wait"} {
		none.want(request, "", 409, "no calls are kept")
	}
}

// hearOne listens to events until one has come.
func hearOne(t *testing.T, b *bench) {
	t.Helper()
	hear(t, b, "", func() { b.say(1, writeOne) }, "event: value")
}

// hear listens, does something, and waits for lines of the stream in their order.
func hear(t *testing.T, b *bench, query string, do func(), want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", b.c.URL()+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d, %v", answer.StatusCode, answer.Header)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() && lines.Text() != ": from now on" {
	}
	do()
	for len(want) > 0 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), want[0]) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("%v; not heard: %q", lines.Err(), want)
	}
}

func TestEvents(t *testing.T) {
	b := newBench(t, simulator.Options{Calls: 10}, "")
	hear(t, b, "", func() {
		b.say(1, writeOne)
		b.want("PUT /devices/1/values", `{"temperature": 20}`, 200, "")
		b.want("PUT /devices/1/tables/holding/260", `{"values": [3]}`, 200, "")
		b.want("POST /faults", `{"exception": 4, "functions": 6}`, 201, "")
		b.say(1, writeOne)
		b.want("DELETE /faults/fault-1", "", 204, "")
		b.want("POST /clock/step", `{"by": "1s"}`, 200, "")
		b.want("POST /power-cycle", "", 200, "")
	},
		"event: value", `data: {"unit":1,"table":"holding","address":259,"values":[10],"names":{"temperature_correction":1},"source":"client"}`,
		"event: call", `data: {"number":1,`,
		"event: value", `data: {"unit":1,"table":"input","address":1,"values":[210],"names":{"temperature":21},"source":"control"}`,
		`data: {"unit":1,"table":"holding","address":260,"values":[3],"names":{"humidity_correction":0.3},"source":"control"}`,
		"event: fault", `data: {"name":"fault-1","what":"added"}`, "event: call", "event: fault", `data: {"name":"fault-1","what":"applied","call":2}`,
		"event: fault", `data: {"name":"fault-1","what":"removed"}`, "event: clock", `data: {"now":`, "event: power", `data: {"unit":1}`,
	)
	hear(t, b, "?kind=power,clock", func() {
		b.say(1, writeOne)
		b.want("POST /power-cycle", "", 200, "")
	}, "event: power")
	b.want("GET /events?kind=calls", "", 400, "possible are call")
	b.want("GET /events?since=1", "", 400, "possible are kind")
	for range maxStreams {
		b.c.streams <- struct{}{}
	}
	b.want("GET /events", "", 503, "close one")
}

// What the document does not have is answered as everything else is.
func TestNowhere(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	b.want("GET /", "", 404, `{"error":"there is nothing at /: see /openapi.json"}`)
	b.want("GET /devices/1/2/3", "", 404, "there is nothing at")
	b.want("DELETE /devices/1/values", "", 405, "use GET, PUT")
	b.want("PATCH /clock", "", 405, "use GET, PUT")
}

// A web page that someone looks at on this machine changes nothing, under whatever
// name it reaches the control.
func TestWebPagesOfOthers(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	try := func(request string, change func(r *http.Request)) int {
		status, _, err := b.try(request, "", change)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if s := try("POST /power-cycle", func(r *http.Request) { r.Header.Set("Origin", "https://example.com") }); s != 403 {
		t.Errorf("another origin: %d", s)
	}
	if s := try("POST /power-cycle", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); s != 403 {
		t.Errorf("another site: %d", s)
	}
	if s := try("GET /status", func(r *http.Request) { r.Host = "example.com:80" }); s != 403 {
		t.Errorf("another name: %d", s)
	}
	for _, host := range []string{"localhost:1", "[::1]:9", "127.0.0.1"} {
		if s := try("GET /status", func(r *http.Request) { r.Host = host }); s != 200 {
			t.Errorf("%s: %d", host, s)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Address: "0.0.0.0:0"}, "without a token"}, {Options{Address: "example.com:0"}, "without a token"},
		{Options{Address: "8081"}, "host:port"}, {Options{Address: ":0", Token: "short"}, "too short"},
		{Options{Address: strings.TrimPrefix(b.c.URL(), "http://")}, "in use"},
	} {
		if c, err := Listen(b.Simulator, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v", tt.o, c, err)
		}
	}
	c, err := Listen(b.Simulator, Options{Address: "0.0.0.0:0", Token: "long-enough"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// The end does not wait for those who wait or listen.
func TestServeEnds(t *testing.T) {
	p, err := profile.Load(os.DirFS("../../configs"), "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	s, err := simulator.New(simulator.Options{Profile: p, Calls: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Listen(s, Options{Address: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	stream, err := client.Get(c.URL() + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	waited := make(chan error, 1)
	go func() {
		answer, err := client.Get(c.URL() + "/calls/wait?timeout=10m")
		if err == nil {
			answer.Body.Close()
		}
		waited <- err
	}()
	cancel()
	start := time.Now()
	if err := <-served; err != nil || time.Since(start) > patience/2 {
		t.Errorf("it ended after %v with %v", time.Since(start), err)
	}
	<-waited
	if _, err := http.Get(c.URL() + "/status"); err == nil {
		t.Error("it answers after its end")
	}
}
