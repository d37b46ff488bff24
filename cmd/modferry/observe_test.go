package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

func fetched(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: patience}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	defer client.CloseIdleConnections()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(text)
}

// The metrics of a running gateway count what it does.
func TestMetricsOfTheDemo(t *testing.T) {
	p := gatewaytest.Start(t, "demo", "--mqtt", ":0", "--http", ":0", "--modbus", ":0", "--json")
	var where place
	if err := json.Unmarshal([]byte(p.Line("{")), &where); err != nil {
		t.Fatal(err)
	}
	app := gatewaytest.Client(t, where.MQTT, gatewaytest.ClientOptions{})
	app.Subscribe(where.Temperature, 1).Next(patience) // the gateway is up
	replies := app.Subscribe(where.Response, 1)
	app.Publish(where.Request, 1, false, "010400010002")
	replies.Next(patience)
	text := fetched(t, where.HTTP+"metrics")
	for _, line := range []string{
		`modferry_mqtt_connected 1`, `modferry_bus_up{bus="line"} 1`,
		`modferry_unit_transactions_total{bus="line",unit="1",source="request",outcome="good"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
}

// Profiles are served on this machine while the command runs, and nowhere else.
func TestProfiles(t *testing.T) {
	var log bytes.Buffer
	seen := ""
	err := profiled(t.Context(), ":0", slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
		url := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(log.String())
		if url == nil {
			t.Fatalf("the log says %s", log.String())
		}
		seen = url[1]
		if text := fetched(t, seen+"goroutine?debug=1"); !strings.Contains(text, "goroutine profile") {
			t.Errorf("%s", text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&http.Client{Timeout: time.Second}).Get(seen); err == nil {
		t.Error("profiles are served after the end")
	}
	never := func(context.Context) error { t.Error("it runs"); return nil }
	if err := profiled(t.Context(), "0.0.0.0:0", slog.New(slog.DiscardHandler), never); err == nil || !strings.Contains(err.Error(), "for this machine only") {
		t.Errorf("%v", err)
	}
}
