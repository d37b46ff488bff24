package console

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server until the test ends and returns its base address.
func serve(t *testing.T, o Options) string {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func TestPageNamesTheTopics(t *testing.T) {
	mqtt := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) })
	base := serve(t, Options{Gateway: "shed", Prefix: "modferry/shed", View: func() View {
		return View{Buses: []Bus{{Name: "rs485", Request: "modferry/shed/bus/rs485/request/<your name>"}}, Devices: []string{"cold-room"}}
	}, MQTT: mqtt})
	r, page := get(t, base+"/")
	for _, want := range []string{
		"gateway shed", strings.Replace(base, "http", "ws", 1) + "/mqtt", "modferry/shed/bus/rs485/request/&lt;your name&gt;", "modferry/shed/device/cold-room/+",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("content security policy %q", csp)
	}
	for path, status := range map[string]int{"/healthz": 200, "/mqtt": 426, "/elsewhere": 404} {
		if r, _ := get(t, base+path); r.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, r.Status, status)
		}
	}
}

func TestWithoutEmbeddedBrokerThereIsNoMQTTHere(t *testing.T) {
	base := serve(t, Options{Gateway: "shed", Prefix: "modferry/shed"})
	if r, _ := get(t, base+"/mqtt"); r.StatusCode != http.StatusNotFound {
		t.Errorf("/mqtt: %s", r.Status)
	}
	if _, page := get(t, base+"/"); strings.Contains(page, "WebSocket") {
		t.Error("the page promises a WebSocket that is not there")
	}
}

func TestTakenAddressSaysSo(t *testing.T) {
	base := serve(t, Options{})
	_, err := New(Options{Listen: strings.TrimPrefix(base, "http://")})
	if err == nil || !strings.Contains(err.Error(), "cannot serve HTTP") {
		t.Errorf("error %v", err)
	}
}
