package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/configs"
	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/gatewaytest"
	"modferry/modbus/profile"
	"modferry/simulator"
)

const profilePatience = 20 * time.Second

// alongside runs something until the test ends.
func alongside(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

// virtual runs modferry simulator --profile until the test ends.
func virtual(t *testing.T, profile string) (d *simulator.Device, address string) {
	t.Helper()
	s, err := simulatorFlags{profile: profile, seed: 1, tcp: "127.0.0.1:0"}.open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alongside(t, s.run)
	return s[0].Devices()[0], s[0].Places().TCP
}

// gatewayOf runs a gateway with the text of a file until the test ends and returns an
// app at its broker.
func gatewayOf(t *testing.T, file, yaml string, o config.Options) *gatewaytest.Peer {
	t.Helper()
	c, err := config.Parse(file, []byte(yaml), o)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	alongside(t, g.Run)
	return gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
}

// Each shipped profile reads each shipped virtual device, all of it and with good
// quality; and what it offers for setting arrives.
func TestEveryProfileIsPolled(t *testing.T) {
	var buses, devices strings.Builder
	waiting := map[string]bool{}
	virtuals, classes := map[string]*simulator.Device{}, map[string]string{}
	for _, name := range profile.Names(configs.Files) {
		d, address := virtual(t, name)
		virtuals[name] = d
		fmt.Fprintf(&buses, "  %s: {tcp: %q, timeout: 2s}\n", name, address)
		fmt.Fprintf(&devices, "  %s: {bus: %s, profile: %s, every: 250ms}\n", name, name, name)
		for _, r := range d.Profile().Readings {
			waiting[name+"/"+r.Name] = true
			if r.Class != "" {
				classes[name+"/"+r.Name] = r.Class
			}
		}
	}
	app := gatewayOf(t, "test.yaml", "gateway: w\nhomeassistant: {}\ndata_dir: "+t.TempDir()+"\nbroker: {mqtt: 127.0.0.1:0}\nbuses:\n"+buses.String()+"devices:\n"+devices.String(),
		config.Options{Profiles: configs.Files})
	checkAnnounced(t, app, len(waiting), classes)
	awaitGood(t, app, "w", waiting)

	results := app.Subscribe("modferry/w/device/+/+/set/result", 1)
	for _, set := range []struct{ device, reading, value string }{
		{"waveshare-relay-8", "relay_3", "true"},
		{"yaskawa-v1000", "frequency_reference", "42.5"},
		{"yaskawa-v1000", "command", `"forward"`},
	} {
		app.Publish("modferry/w/device/"+set.device+"/"+set.reading+"/set", 1, false, `{"id":1,"value":`+set.value+`}`)
		if m := results.Next(profilePatience); !strings.Contains(string(m.Payload), `"outcome":"done"`) {
			t.Errorf("%s: %s", m.Topic, m.Payload)
		}
	}
	for device, want := range map[string]map[string]float64{
		"waveshare-relay-8": {"relay_2": 0, "relay_3": 1}, "yaskawa-v1000": {"frequency_reference": 42.5, "command": 1},
	} {
		for name, n := range want {
			if v, err := virtuals[device].Value(name); err != nil || v.Float() != n {
				t.Errorf("%s of %s is %v, %v; want %v", name, device, v, err, n)
			}
		}
	}
}

// checkAnnounced waits for the announcements of n readings to Home Assistant, and holds
// their classes against the profiles': one that does not go with its unit is left out.
func checkAnnounced(t *testing.T, app *gatewaytest.Peer, n int, classes map[string]string) {
	t.Helper()
	in := app.Subscribe("homeassistant/+/w/+/config", 1)
	seen := map[string]bool{}
	for end := time.Now().Add(profilePatience); len(seen) < n; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d readings are announced", len(seen), n)
		}
		var e struct {
			Topic string `json:"state_topic"`
			Class string `json:"device_class"`
		}
		if err := json.Unmarshal(in.Next(profilePatience).Payload, &e); err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(e.Topic, "modferry/w/device/")
		if !ok || strings.HasSuffix(name, "/status") {
			continue // of the gateway and its devices themselves
		}
		seen[name] = true
		if want, told := classes[name]; told && e.Class != want {
			t.Errorf("%s has class %q, and is announced with %q", name, want, e.Class)
		}
	}
}

// awaitGood waits until each of the readings was published with a value and good quality.
func awaitGood(t *testing.T, app *gatewaytest.Peer, gateway string, waiting map[string]bool) {
	t.Helper()
	in := app.Subscribe("modferry/"+gateway+"/device/+/+", 1)
	for end := time.Now().Add(profilePatience); len(waiting) > 0; {
		if time.Now().After(end) {
			t.Fatalf("not read: %v", waiting)
		}
		m := in.Next(profilePatience)
		name := strings.TrimPrefix(m.Topic, "modferry/"+gateway+"/device/")
		var r struct {
			Value   any
			Quality string
		}
		if err := json.Unmarshal(m.Payload, &r); err != nil || !waiting[name] {
			continue // a state, or read before
		}
		if r.Value == nil || r.Quality != "good" {
			t.Fatalf("%s: %s", name, m.Payload)
		}
		delete(waiting, name)
	}
}
