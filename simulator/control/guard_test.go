package control

import (
	"net/http"
	"strings"
	"testing"

	"modferry/simulator"
)

// Who reads or changes something is a program, or a page of the control's own origin.
func TestOrigins(t *testing.T) {
	for _, token := range []string{"", "a-token-of-its-own"} {
		b := newBench(t, simulator.Options{Calls: 1}, token)
		own := strings.TrimPrefix(b.c.URL(), "http://")
		port := own[strings.LastIndex(own, ":"):]
		for _, tt := range []struct {
			name, value string
			allowed     bool
		}{
			{"Origin", "http://" + own, true}, {"Origin", "https://" + own, true}, // behind something that speaks TLS
			{"Origin", "null", false}, {"Origin", "https://example.com", false}, {"Origin", "http://example.com" + port, false},
			{"Origin", "http://127.0.0.1:1", false}, {"Origin", "file://", false}, {"Origin", "http://" + own + ".example.com", false}, {"Origin", "%", false},
			{"Sec-Fetch-Site", "same-origin", true}, {"Sec-Fetch-Site", "none", true}, {"Sec-Fetch-Site", "cross-site", false}, {"Sec-Fetch-Site", "same-site", false},
		} {
			for _, request := range []string{"GET /status", "GET /openapi.json", "GET /calls", "POST /power-cycle", "GET /events?kind=none"} {
				status, text, err := b.try(request, "", func(r *http.Request) { r.Header.Set(tt.name, tt.value) })
				if err != nil {
					t.Fatal(err)
				}
				if (status != http.StatusForbidden) != tt.allowed {
					t.Errorf("%s with %s: %s gives %d %s", request, tt.name, tt.value, status, text)
				}
			}
		}
	}
}

// A page whose name was made to lead to this machine asks for another host.
func TestHosts(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:81": true, "127.0.0.1:1": true, "127.1.2.3": true, "[::1]:9": true, "[::1]": true,
		"192.0.2.1": false, "example.com": false, "localhost.example.com:80": false, "127.0.0.1.example.com": false, strings.Repeat("x", 1000): false,
	} {
		status, text, err := b.try("GET /status", "", func(r *http.Request) { r.Host = host })
		if err != nil {
			t.Fatal(err)
		}
		if (status == http.StatusOK) != allowed || len(text) > 2000 {
			t.Errorf("%.80s: %d %.200s", host, status, text)
		}
	}
}
