package control

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"modferry/simulator"
)

// What a body says twice, in another form, or to who asks for nothing, is refused, and
// the answer shows the right form.
func TestBodies(t *testing.T) {
	b := newBench(t, simulator.Options{Calls: 1}, "")
	before := b.want("GET /status", "", 200, "")
	for _, tt := range []struct{ request, body, want string }{
		{"PUT /devices/1/values", `{"temperature": 1, "temperature": 2}`, `the key \"temperature\" twice`},
		{"PUT /devices/1/values", `{"temperature": {"value": 5}}`, `\"temperature\" must be the value itself, as in {\"temperature\": 21.5}`},
		{"PUT /devices/1/values", `[{"temperature": 1}]`, "the body cannot be an array"},
		{"PUT /devices/1/values/temperature", `{"value": 5}`, "the body is the value itself, such as 21.5"},
		{"PUT /devices/1/tables/holding/259", `{"values": [-1]}`, "values cannot be the number -1"},
		{"PUT /devices/1/tables/holding/259", `{"values": [1], "pin": {"a": [1, {"b": 1}], "b": 2}, "pin": true}`, "pin cannot be an object"},
		{"PUT /clock", `{"paused": true, "paused": false}`, `the key \"paused\" twice`},
		{"POST /faults", `{"delay": "1s", "drip": {"bytes": 1, "bytes": 2, "every": "1s"}}`, `the key \"bytes\" twice`},
		{"POST /faults", `{"delay": "1s", "probability": 2}`, `{"error":"probability: expected a number from 0 to 1, got 2"}`},
		{"POST /faults", `{"delay": "1s", "probability": 0}`, `{"error":"probability: it is above 0 and up to 1: to have no fault, remove it"}`},
		{"POST /power-cycle", `{"unit": 1}`, "POST /power-cycle takes no body"},
		{"POST /devices/1/power-cycle", `x`, "takes no body"},
		{"DELETE /faults", `{"name": "slow"}`, "DELETE /faults takes no body"},
		{"GET /calls", `{"face": "tcp"}`, "GET /calls takes no body"},
		{"GET /calls?face=foo", "", `face \"foo\": possible are tcp, tls, `},
		{"GET /calls/wait?face=foo", "", `face \"foo\": possible are tcp, tls, `},
	} {
		b.want(tt.request, tt.body, 400, tt.want)
	}
	if after := b.want("GET /status", "", 200, ""); strings.Split(after, `"clock"`)[0] != strings.Split(before, `"clock"`)[0] {
		t.Errorf("before %s, after %s", before, after)
	}
	b.want("POST /power-cycle", "{}", 200, "")
	if err := checkKeys([]byte(`{"a": {"a": [{"b": "a"}, "b", {"b": 1}], "b": "a"}, "b": ["a", "a"], "c": {}}`)); err != nil {
		t.Error(err)
	}
}

// No answer repeats what somebody sent without end.
func TestAnswersAreShort(t *testing.T) {
	b := newBench(t, simulator.Options{Calls: 1}, "")
	long := strings.Repeat("x", 5000)
	for _, request := range []string{
		"GET /faults/" + long, "GET /devices/" + long, "GET /devices/1/values/" + long, "GET /devices/1/tables/" + long + "/1", "GET /devices/1/tables/holding/" + long,
		"GET /calls?face=" + long, "GET /calls?function=" + long, "GET /calls?since=" + long, "GET /calls?" + long + "=1", "GET /calls/wait?timeout=" + long, "GET /events?kind=" + long,
		`POST /clock/step {"by":"` + long + `"}`, `PUT /devices/1/values {"` + long + `":1}`, `POST /faults {"` + long + `":1}`, `POST /faults {"delay":"1s","name":"` + long + `"}`,
		`POST /faults {"delay":"1s","faces":"` + long + `"}`, `PUT /clock {"` + long + `":1}`, `PUT /clock {"speed":1` + strings.Repeat("0", 5000) + `}`,
	} {
		request, body, _ := strings.Cut(request, " {")
		if body != "" {
			body = "{" + body
		}
		if status, text := b.ask(request, body); status < 400 || len(text) > 1200 {
			t.Errorf("%.60s: %d with %d bytes", request, status, len(text))
		}
	}
}

// Who sends far too much is told so, and does not see a broken connection.
func TestBodyIsTooLarge(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	large := strings.Repeat(" ", 20<<20)
	b.want("PUT /clock", large+`{"paused": true}`, 413, "may have 1 MiB")
	b.want("PUT /devices/1/values/temperature", large, 413, "may have 1 MiB")
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.c.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("PUT /clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 100)
	if n, err := conn.Read(answer); err != nil || !bytes.Contains(answer[:n], []byte("413 ")) {
		t.Errorf("%q, %v", answer[:n], err)
	}
}
