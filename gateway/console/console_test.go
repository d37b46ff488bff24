package console

import (
	"context"
	"encoding/json"
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
	run(t, s)
	return "http://" + s.Addr().String()
}

// run runs a server until the test ends.
func run(t *testing.T, s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
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

func TestViewSaysWhatIsThere(t *testing.T) {
	mqtt := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) })
	base := serve(t, Options{Gateway: "shed", View: func() View {
		return View{Gateway: "shed", Prefix: "modferry/shed", Devices: []Device{{Name: "cold-room"}}}
	}, MQTT: mqtt})
	r, body := get(t, base+"/api/view")
	var v View
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.Prefix != "modferry/shed" || v.Devices[0].Name != "cold-room" || v.Simulator != "" {
		t.Errorf("%s %v: %s", r.Status, err, body)
	}
	for path, status := range map[string]int{"/healthz": 200, "/mqtt": 426, "/elsewhere": 404, "/page/index.html": 404, "/api/nothing": 404} {
		if r, _ := get(t, base+path); r.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, r.Status, status)
		}
	}
}

func TestWithoutEmbeddedBrokerThereIsNoMQTTHere(t *testing.T) {
	base := serve(t, Options{Gateway: "shed"})
	if r, _ := get(t, base+"/mqtt"); r.StatusCode != http.StatusNotFound {
		t.Errorf("/mqtt: %s", r.Status)
	}
}

func TestTakenAddressSaysSo(t *testing.T) {
	base := serve(t, Options{})
	_, err := New(Options{Listen: strings.TrimPrefix(base, "http://")})
	if err == nil || !strings.Contains(err.Error(), "cannot serve HTTP") {
		t.Errorf("error %v", err)
	}
}
