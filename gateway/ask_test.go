package gateway_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/gatewaytest"
)

// httpGateway runs a gateway on HTTP and returns its address.
func httpGateway(t *testing.T, yaml string) (g *gateway.Gateway, base string) {
	t.Helper()
	g = run(t, parse(t, "broker: {mqtt: 127.0.0.1:0}\n"+yaml))
	<-g.Ready()
	return g, "http://" + g.Addresses().HTTP.String()
}

const onHTTP = "http: {listen: 127.0.0.1:0}\n"

// answered is what a request over HTTP got.
type answered struct {
	status        int
	body          string
	code, outcome string
}

// call makes a request; header holds pairs of names and values, "Host" too.
func call(t *testing.T, method, url, body string, header ...string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * patience}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{reply.StatusCode, string(text), reply.Header.Get("Modferry-Code"), reply.Header.Get("Modferry-Outcome")}
}

// A request over HTTP is answered in its own form, as over MQTT, and is on no topic.
func TestRequestsOverHTTP(t *testing.T) {
	d := newDevice(t)
	g, base := httpGateway(t, onHTTP+tcpGateway(d, ", allow: [{clients: [panel], functions: [write], addresses: [5]}]"))
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	replies := app.Subscribe("modferry/w/bus/b/+/#", 1)
	audit := app.Subscribe("modferry/w/audit", 1)
	bin := func(digits string) string { b, _ := hex.DecodeString(digits); return string(b) }
	for _, c := range []struct {
		client, request string
		want            answered
	}{
		{"", "010400010002200B", answered{200, "010404000100022B85", "", ""}},
		{"/me", "01 04 00 01 00 02", answered{200, "01 04 04 00 01 00 02", "", ""}},
		{"/me", bin("010400010002200B"), answered{200, bin("010404000100022B85"), "", ""}},
		{"", ":010400010002F8\r\n", answered{200, ":01040400010002F4\r\n", "", ""}},
		{"/me", "080400010002", answered{502, "088402", "exception", ""}},
		{"/me", "090400010002", answered{504, "09840B", "timeout", ""}},
		{"/me", "010600050001", answered{403, "018601", "denied", "refused"}},
		{"/panel", "010600060001", answered{403, "018602", "denied", "refused"}},
		{"/panel", "010600050001", answered{200, "010600050001", "", "done"}},
		{"/panel", "090600050001", answered{504, "09860B", "timeout", "unknown"}},
		{"/me", "0104FFFF0002", answered{400, "018402", "invalid", ""}},
	} {
		got := call(t, "POST", base+"/api/bus/b/request"+c.client, c.request)
		if got != c.want {
			t.Errorf("%q as %q: %+v, want %+v", c.request, c.client, got, c.want)
		}
	}
	got := call(t, "POST", base+"/api/bus/b/request/me", `{"id":7,"unit":1,"function":4,"address":1,"quantity":2}`)
	var reply struct {
		ID     int
		OK     bool
		Values []int
	}
	if err := json.Unmarshal([]byte(got.body), &reply); err != nil || got.status != 200 || !reply.OK || reply.ID != 7 || len(reply.Values) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	for range 4 { // the writes, the two refused ones and the two that were sent
		if m := audit.Next(patience); !strings.Contains(string(m.Payload), `"client":"panel"`) && !strings.Contains(string(m.Payload), `"client":"me"`) {
			t.Errorf("audit %s", m.Payload)
		}
	}
	for {
		select {
		case m := <-replies.Messages():
			if !strings.HasSuffix(m.Topic, "/status") {
				t.Errorf("on %s: %q", m.Topic, m.Payload)
			}
			continue
		case <-time.After(50 * time.Millisecond):
		}
		break
	}
}

// What is no request is explained as on the error topic, and reaches no device.
func TestNoRequestsOverHTTP(t *testing.T) {
	d := newDevice(t)
	_, base := httpGateway(t, onHTTP+tcpGateway(d, ""))
	_, lines := httpGateway(t, onHTTP+tcpGateway(d, ", payload: line"))
	for request, want := range map[string]answered{
		"1 65432 0 1 300 3 1 1": {400, "65432 ERROR:", "", ""}, "x": {400, "{", "", ""},
	} {
		got := call(t, "POST", lines+"/api/bus/b/request", request)
		if got.status != want.status || !strings.HasPrefix(got.body, want.body) {
			t.Errorf("%q on a bus for lines: %+v, want %+v", request, got, want)
		}
	}
	for request, code := range map[string]string{
		"": "empty", "01040": "not_a_frame", "010400010002200C": "bad_crc", "[object ArrayBuffer]": "not_a_frame",
		`{"id":1,"unit":1}`: "bad_json", strings.Repeat("0", 2000): "too_large",
	} {
		got := call(t, "POST", base+"/api/bus/b/request/me", request)
		if got.status != 400 || got.code != code || !strings.Contains(got.body, `"code":"`+code+`"`) {
			t.Errorf("%.20q: %+v, want code %s", request, got, code)
		}
	}
	if got := call(t, "POST", base+"/api/bus/other/request", "010400010002"); got.status != 404 {
		t.Errorf("a bus that is not there: %+v", got)
	}
	if n := d.requests(); n != 0 {
		t.Errorf("%d requests reached the device", n)
	}
}

// The same JSON id is answered from memory, over HTTP too, and is never written twice.
func TestRepeatedRequestOverHTTP(t *testing.T) {
	d := newDevice(t)
	_, base := httpGateway(t, onHTTP+tcpGateway(d, ", allow: [{functions: [write]}]"))
	const write = `{"id":"a","unit":1,"function":6,"address":5,"values":[1]}`
	first := call(t, "POST", base+"/api/bus/b/request/me", write)
	second := call(t, "POST", base+"/api/bus/b/request/me", write)
	if first.status != 200 || second != first || first.outcome != "done" || d.requests() != 1 {
		t.Errorf("%+v, then %+v, %d requests at the device", first, second, d.requests())
	}
	const lost = `{"id":"b","unit":9,"function":6,"address":5,"values":[1]}`
	first = call(t, "POST", base+"/api/bus/b/request/me", lost)
	second = call(t, "POST", base+"/api/bus/b/request/me", lost)
	if first.status != 504 || second.status != 504 || second.code != "timeout" || second.outcome != "unknown" || d.requests() != 2 {
		t.Errorf("%+v, then %+v, %d requests at the device", first, second, d.requests())
	}
}

func TestReadingsOverHTTP(t *testing.T) {
	d := newDevice(t)
	g, base := httpGateway(t, onHTTP+tcpGateway(d, "")+
		"devices:\n  m: {bus: b, unit: 1, every: 50ms, readings: {five: {input: 5, type: uint16, unit: V}}}\n"+
		"  v: {bus: b, unit: 1, every: 50ms, payload: value, readings: {six: {input: 6, type: uint16}}}\n")
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	app.Subscribe("modferry/w/device/m/five", 1).Next(patience)
	app.Subscribe("modferry/w/device/v/six", 1).Next(patience)
	if got := call(t, "GET", base+"/api/device/m/five", ""); got.status != 200 || !strings.HasPrefix(got.body, `{"value":5,"unit":"V","quality":"good"`) {
		t.Errorf("%+v", got)
	}
	if got := call(t, "GET", base+"/api/device/v/six", ""); got.status != 200 || got.body != "6" {
		t.Errorf("%+v", got)
	}
	if got := call(t, "GET", base+"/api/readings", ""); got.status != 200 || !strings.Contains(got.body, `{"m":{"five":{"value":5,`) || !strings.Contains(got.body, `"v":{"six":6}`) {
		t.Errorf("%+v", got)
	}
}

// Nobody gets in by a page of his own, or without a password where there are any.
func TestWhoMayAskOverHTTP(t *testing.T) {
	d := newDevice(t)
	config := tcpGateway(d, ", allow: [{clients: [panel], functions: [write]}]")
	_, open := httpGateway(t, onHTTP+config)
	_, guarded := httpGateway(t, "http: {listen: 127.0.0.1:0, users: {panel: {password: secret}, guest: {password: secret}}}\n"+config)
	basic := func(user, password string) []string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	before := d.requests()
	for name, c := range map[string]struct {
		base   string
		header []string
		status int
	}{
		"foreign origin":           {open, []string{"Origin", "http://evil.example"}, 403},
		"foreign site":             {open, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a name for this machine":  {open, []string{"Host", "evil.example"}, 403},
		"opaque origin":            {open, []string{"Origin", "null"}, 403},
		"no password":              {guarded, nil, 401},
		"wrong password":           {guarded, basic("panel", "guess"), 401},
		"the rules deny the guest": {guarded, basic("guest", "secret"), 403},
		"foreign, with a password": {guarded, append(basic("panel", "secret"), "Origin", "http://evil.example"), 403},
	} {
		for _, path := range []string{"/api/bus/b/request", "/api/bus/b/request/panel"} {
			if got := call(t, "POST", c.base+path, "010600050001", c.header...); got.status != c.status {
				t.Errorf("%s at %s: %+v, want status %d", name, path, got, c.status)
			}
		}
		if got := call(t, "GET", c.base+"/api/readings", "", c.header...); got.status == 200 && name != "the rules deny the guest" {
			t.Errorf("%s reads: %+v", name, got)
		}
	}
	if n := d.requests() - before; n != 0 {
		t.Errorf("%d requests reached the device", n)
	}
	if got := call(t, "POST", guarded+"/api/bus/b/request", "010600050001", basic("panel", "secret")...); got.status != 200 || got.outcome != "done" {
		t.Errorf("with the password: %+v", got)
	}
	if got := call(t, "POST", open+"/api/bus/b/request/panel", "010600050001", "Origin", open); got.status != 200 {
		t.Errorf("from its own page: %+v", got)
	}
}

// What was sent and what waits is answered when the gateway ends.
func TestHTTPRequestsAtTheEnd(t *testing.T) {
	d := newDevice(t)
	t.Cleanup(func() { close(d.hold) })
	statuses := make(chan int, 2)
	t.Run("the gateway", func(inner *testing.T) {
		_, base := httpGateway(inner, onHTTP+fmt.Sprintf("gateway: w\nbuses:\n  b: {tcp: %q, timeout: 1s}\n", d.addr))
		ask := func() { statuses <- call(t, "POST", base+"/api/bus/b/request", "070400010002").status }
		waitFor := func(what string, there func() bool) {
			for end := time.Now().Add(patience); !there(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("no %s", what)
				}
			}
		}
		go ask()
		waitFor("request at the device", func() bool { return d.requests() == 1 })
		go ask()
		waitFor("request in the queue", func() bool { return strings.Contains(call(t, "GET", base+"/api/buses", "").body, `"queue":1`) })
	})
	if first, second := <-statuses, <-statuses; first+second != http.StatusGatewayTimeout+http.StatusBadGateway {
		t.Errorf("status %d and %d, want one timeout and one refusal", first, second)
	}
}
