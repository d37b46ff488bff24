package control

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"modferry/simulator"
)

// Every path, method and parameter is documented, and nothing else is.
func TestDocumentHasEveryRoute(t *testing.T) {
	doc, _ := documented(t)
	served := map[string]string{"GET /events": "kind", "GET /openapi.json": ""}
	for _, r := range (&Server{}).routes() {
		served[r.method+" "+r.path] = strings.Join(slices.Sorted(slices.Values(r.query)), " ")
	}
	written := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			var query []string
			for _, p := range append(op.Parameters, item.Parameters...) {
				switch p.Value.In {
				case openapi3.ParameterInQuery:
					query = append(query, p.Value.Name)
				case openapi3.ParameterInPath:
					if !strings.Contains(path, "{"+p.Value.Name+"}") {
						t.Errorf("%s has no %s", path, p.Value.Name)
					}
				}
			}
			slices.Sort(query)
			written[method+" "+path] = strings.Join(query, " ")
		}
	}
	if !maps.Equal(served, written) {
		t.Errorf("served:\n%v\ndocumented:\n%v", served, written)
	}
}

// Every answer that is documented is given, and is as it is documented; the client of
// all tests fails for every answer that is not.
func TestEveryDocumentedAnswer(t *testing.T) {
	b := newBench(t, simulator.Options{Calls: 10}, "secret-token")
	open := newBench(t, simulator.Options{Calls: 10}, "")
	noClock := newBench(t, simulator.Options{Now: simulator.NewClock(b.Clock().Now()).Now}, "")
	doc, _ := documented(t)
	inPlace := strings.NewReplacer("{unit}", "1", "{table}", "holding", "{address}", "0x0103", "{name}", "temperature")
	bodies := map[string]string{
		"PUT /devices/{unit}/values": `{"temperature": 21.5, "humidity": 50}`, "PUT /devices/{unit}/values/{name}": "-3.5",
		"PUT /devices/{unit}/tables/{table}/{address}": `{"values": [1, 2], "pin": true}`,
		"POST /faults": `{"name": "temperature", "exception": 4}`, "PUT /faults": `{"faults": [{"name": "temperature", "delay": "5ms", "units": [1, "3-4"]}]}`,
		"PUT /clock": `{"paused": true, "speed": 2}`, "POST /clock/step": `{"by": "1h"}`,
	}
	b.say(1, readOne)
	order := slices.Collect(maps.Keys(doc.Paths.Map()))
	slices.Sort(order)
	for _, path := range order {
		for _, method := range []string{"POST", "PUT", "GET", "DELETE"} {
			op := doc.Paths.Value(path).GetOperation(method)
			if op == nil || path == "/events" {
				continue
			}
			request := method + " " + inPlace.Replace(path)
			body := bodies[method+" "+path]
			good := 200
			for _, status := range []int{201, 204} {
				if op.Responses.Status(status) != nil {
					good = status
				}
			}
			b.say(1, readOne)
			if path == "/faults/{name}" {
				b.ask("POST /faults", bodies["POST /faults"])
			}
			b.want(request, body, good, "")
			if path == "/faults" {
				b.want("DELETE /faults", "", 204, "")
			}
			noClock.ask(request, body) // 409, where there is one
			b.ask(request+"?nonsense=1", body)
			b.ask(strings.NewReplacer("/devices/1", "/devices/9", "/temperature", "/none").Replace(request), body)
			if body != "" {
				b.want(request, strings.Repeat(" ", maxBody+1), 413, "too large")
			}
			without(t, b, request, body)
			if status, _, err := open.try(request, body, func(r *http.Request) { r.Host = "example.com" }); err != nil || status != 403 {
				t.Errorf("%s from another host: %d, %v", request, status, err)
			}
		}
	}
	b.want("GET /calls/wait?timeout=1ms&function=16", "", 408, "no such call")
	hearOne(t, b)
	maps.Copy(b.seen, open.seen)
	maps.Copy(b.seen, noClock.seen)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if key := fmt.Sprintf("%s %s %s", method, path, status); !b.seen[key] && path != "/events" {
					t.Errorf("%s is documented, and was not given", key)
				}
			}
		}
	}
}

// A fault has the documented keys: what is said of one that it does not have names all.
func TestDocumentHasEveryKeyOfAFault(t *testing.T) {
	doc, _ := documented(t)
	want := slices.Sorted(maps.Keys(doc.Components.Schemas["Fault"].Value.Properties))
	_, err := simulator.ParseFaultJSON([]byte(`{"qqqqqqqqqqqq": 1, "delay": "1s"}`))
	if err == nil {
		t.Fatal("any key is taken")
	}
	got := regexp.MustCompile(`[a-z_]+`).FindAllString(err.Error(), -1)
	for _, key := range want {
		if !slices.Contains(got, key) {
			t.Errorf("%s is documented; what a fault has is said to be: %v", key, err)
		}
	}
	if n := strings.Count(err.Error(), ","); n > 0 && n+1 != len(want) {
		t.Errorf("%d keys are documented; what a fault has is said to be: %v", len(want), err)
	}
}

// without asks without the token, and with a wrong one.
func without(t *testing.T, b *bench, request, body string) {
	t.Helper()
	for _, header := range []string{"", "Bearer wrong", "Basic secret-token", "secret-token", "Bearer "} {
		status, text, err := b.try(request, body, func(r *http.Request) { r.Header.Set("Authorization", header) })
		if err != nil || status != 401 || strings.Contains(text, "secret-token") {
			t.Errorf("%s with %q: %d %s, %v", request, header, status, text, err)
		}
	}
}
