package control

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"modferry/simulator"
)

// Another server has the control below a path of its own; its streams end when they are told to.
func TestHandlerOfAnotherServer(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	mux := http.NewServeMux()
	mux.Handle("/simulator/", http.StripPrefix("/simulator", Handler(ctx, b.Simulator)))
	server := httptest.NewServer(mux)
	defer server.Close()
	put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/simulator/devices/1/values", strings.NewReader(`{"temperature":-3}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []func() (*http.Response, error){
		func() (*http.Response, error) { return server.Client().Do(put) },
		func() (*http.Response, error) { return server.Client().Get(server.URL + "/simulator/openapi.json") },
	} {
		answer, err := request()
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", answer.Request.URL.Path, answer.Status)
		}
	}
	events, err := server.Client().Get(server.URL + "/simulator/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	lines := bufio.NewScanner(events.Body)
	if !lines.Scan() {
		t.Fatal("there is no stream")
	}
	end()
	for lines.Scan() { // until the server ends it, or the test takes too long
		continue
	}
}

func TestValuesHaveTheLimitsOfTheProfile(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	b.want("GET /devices/1/values/temperature_correction", "", http.StatusOK, `"min":-10,"max":10,"step":0.1`)
	b.want("GET /devices/1/values", "", http.StatusOK, `"min":-40,"max":60`)
	if baud := b.want("GET /devices/1/values/baud", "", http.StatusOK, `"baud"`); strings.Contains(baud, "min") {
		t.Errorf("limits of what has none: %s", baud)
	}
}
