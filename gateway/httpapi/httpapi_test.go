package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"modferry/gateway/httpapi"
	"modferry/gateway/message"
)

// gate is a gateway with one bus, line, that answers everything the same way.
type gate struct {
	answer httpapi.Answer
	client string // of the last request
	body   string // likewise
}

func (g *gate) Ask(bus, client string, payload []byte, answer func(httpapi.Answer)) error {
	if bus != "line" {
		return httpapi.ErrNoBus
	}
	g.client, g.body = client, string(payload)
	answer(g.answer)
	return nil
}

func (g *gate) Readings(wanted func(device, reading string) bool) []httpapi.Reading {
	return slices.DeleteFunc([]httpapi.Reading{
		{Device: "sensor", Name: "temperature", Payload: []byte(`{"value":23.4,"quality":"good"}`), Form: message.JSON},
		{Device: "sensor", Name: "new", Form: message.JSON},
		{Device: "plain", Name: "number", Payload: []byte("23.4"), Form: message.ASCII},
		{Device: "plain", Name: "name", Payload: []byte("heat"), Form: message.ASCII},
		{Device: "plain", Name: "frame", Payload: []byte("0104020131792E"), Form: message.Hex},
		{Device: "plain", Name: "digits", Payload: []byte("010402013131"), Form: message.Hex},
		{Device: "plain", Name: "bytes", Payload: []byte{1, 4, 0xFF}, Form: message.Binary},
	}, func(r httpapi.Reading) bool { return !wanted(r.Device, r.Name) })
}

// ask does a request as user, who is nobody if "".
func ask(g *gate, user, method, path, body string) *httptest.ResponseRecorder {
	h := httpapi.New(httpapi.Options{Gateway: g, User: func(*http.Request) string { return user }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// TestAnswers: the body is what an MQTT app gets, and the status says how that went.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		answer  httpapi.Answer
		status  int
		kind    string
		code    string
		outcome string
	}{
		{httpapi.Answer{Payload: []byte("0104040131022D6ACA"), Form: message.Hex}, 200, "text/plain", "", ""},
		{httpapi.Answer{Payload: []byte(":010404013100020E\r\n"), Form: message.ASCII}, 200, "text/plain", "", ""},
		{httpapi.Answer{Payload: []byte{1, 4}, Form: message.Binary}, 200, "application/octet-stream", "", ""},
		{httpapi.Answer{Payload: []byte(`{"ok":true}`), Form: message.JSON, Outcome: message.Done}, 200, "application/json", "", "done"},
		{httpapi.Answer{Payload: []byte("018302C0F1"), Form: message.Hex, Code: message.Exception}, 502, "text/plain", "exception", ""},
		{httpapi.Answer{Payload: []byte("01860180"), Form: message.Hex, Code: message.Denied, Outcome: message.Refused}, 403, "text/plain", "denied", "refused"},
		{httpapi.Answer{Payload: []byte("01860B"), Form: message.Hex, Code: message.Timeout, Outcome: message.Unknown}, 504, "text/plain", "timeout", "unknown"},
		{httpapi.Answer{Payload: []byte("018606"), Form: message.Hex, Code: message.Busy}, 503, "text/plain", "busy", ""},
		{httpapi.Answer{Payload: []byte("01860A"), Form: message.Hex, Code: message.Unavailable}, 502, "text/plain", "unavailable", ""},
		{httpapi.Answer{Payload: []byte(`{"id":1,"ok":false,"error":{"code":"timeout"}}`)}, 504, "application/json", "timeout", ""},
		{httpapi.Answer{Payload: []byte(`{"code":"bad_crc","message":"..."}`)}, 400, "application/json", "bad_crc", ""},
		{httpapi.Answer{Sent: true, Outcome: message.Done}, 204, "", "", "done"},
		{httpapi.Answer{}, 409, "application/json", "busy", ""},
	} {
		w := ask(&gate{answer: c.answer}, "", "POST", "/api/bus/line/request", "x")
		h := w.Header()
		if w.Code != c.status || !strings.HasPrefix(h.Get("Content-Type"), c.kind) || h.Get("Modferry-Code") != c.code || h.Get("Modferry-Outcome") != c.outcome {
			t.Errorf("%q: status %d, %v, want %+v", c.answer.Payload, w.Code, h, c)
		}
		if c.answer.Payload != nil && w.Body.String() != string(c.answer.Payload) {
			t.Errorf("%q came as %q", c.answer.Payload, w.Body)
		}
	}
}

// TestClients: a name in the path is good where nobody logs in; who has logged in is who he is.
func TestClients(t *testing.T) {
	for _, c := range []struct {
		user, path string
		status     int
		client     string
	}{
		{"", "/api/bus/line/request", 200, ""},
		{"", "/api/bus/line/request/panel", 200, "panel"},
		{"panel", "/api/bus/line/request", 200, "panel"},
		{"panel", "/api/bus/line/request/panel", 200, "panel"},
		{"guest", "/api/bus/line/request/panel", 403, ""},
		{"", "/api/bus/line/request/a+b", 400, ""},
		{"", "/api/bus/line/request/%2e%2e", 400, ""},
		{"", "/api/bus/other/request", 404, ""},
	} {
		g := &gate{answer: httpapi.Answer{Payload: []byte("00"), Form: message.Hex}}
		if w := ask(g, c.user, "POST", c.path, "body"); w.Code != c.status || g.client != c.client {
			t.Errorf("%q at %s: status %d as %q, want %d as %q: %s", c.user, c.path, w.Code, g.client, c.status, c.client, w.Body)
		} else if c.status == 200 && g.body != "body" {
			t.Errorf("the request was %q", g.body)
		}
	}
}

func TestReadings(t *testing.T) {
	g := &gate{}
	want := `{"plain":{"bytes":"0104FF","digits":"010402013131","frame":"0104020131792E","name":"heat","number":23.4},` +
		`"sensor":{"new":null,"temperature":{"value":23.4,"quality":"good"}}}`
	if w := ask(g, "", "GET", "/api/readings", ""); w.Code != 200 || w.Body.String() != want {
		t.Errorf("status %d, %s, want %s", w.Code, w.Body, want)
	}
	for path, want := range map[string]struct {
		status int
		kind   string
		body   string
	}{
		"/api/device/sensor/temperature": {200, "application/json", `{"value":23.4,"quality":"good"}`},
		"/api/device/plain/name":         {200, "text/plain", "heat"},
		"/api/device/plain/bytes":        {200, "application/octet-stream", "\x01\x04\xff"},
		"/api/device/sensor/new":         {503, "application/json", "has no value yet"},
		"/api/device/sensor/other":       {404, "application/json", "there is no reading"},
		"/api/device/other/temperature":  {404, "application/json", "there is no reading"},
	} {
		w := ask(g, "", "GET", path, "")
		if w.Code != want.status || !strings.HasPrefix(w.Header().Get("Content-Type"), want.kind) || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s: status %d, %s: %s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	for path, status := range map[string]int{"GET /api/bus/line/request": 405, "POST /api/readings": 405, "POST /api/bus/line": 404} {
		method, path, _ := strings.Cut(path, " ")
		if w := ask(&gate{}, "", method, path, "x"); w.Code != status {
			t.Errorf("%s %s: status %d, want %d", method, path, w.Code, status)
		}
	}
	if w := ask(&gate{}, "", "POST", "/api/bus/line/request", strings.Repeat("x", 1<<20)); w.Code != 413 {
		t.Errorf("1 MiB: status %d", w.Code)
	}
}
