package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/broker"
	"modferry/gateway/gatewaytest"
)

// eachBroker runs a test with each version of MQTT, with mosquitto and with the embedded
// broker, which goes on when the gateway ends.
func eachBroker(t *testing.T, test func(t *testing.T, url, version string)) {
	for _, version := range []string{"3.1.1", "5"} {
		t.Run("mosquitto "+version, func(t *testing.T) {
			t.Parallel()
			test(t, gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}).URL(), version)
		})
		t.Run("embedded "+version, func(t *testing.T) {
			t.Parallel()
			b, err := broker.New(broker.Options{Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- b.Run(ctx) }()
			t.Cleanup(func() { cancel(); <-done })
			test(t, "tcp://"+b.Addr().String(), version)
		})
	}
}

// session is a gateway that a test starts and stops.
type session struct {
	*gateway.Gateway
	stop func()
}

func startSession(t *testing.T, yaml string) session {
	t.Helper()
	g, err := gateway.New(parse(t, yaml), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	s := session{g, func() { cancel(); done <- <-done }}
	t.Cleanup(s.stop)
	select {
	case <-g.Ready():
	case <-time.After(patience):
		t.Fatal("the gateway is not ready")
	}
	return s
}

// homeYAML is a gateway w at a broker, with devices of one reading each.
func homeYAML(url, version, head string, devices ...string) string {
	text := fmt.Sprintf("gateway: w\nmqtt: {url: %q, version: %q}\n%sbuses: {b: {tcp: \"127.0.0.1:9\", timeout: 50ms}}\n", url, version, head)
	if len(devices) > 0 {
		text += "devices:\n"
	}
	for _, d := range devices {
		text += "  " + d + ": {bus: b, unit: 1, readings: {t: {coil: 1}}}\n"
	}
	return text
}

// announced returns the retained topics of announcements.
func announced(app *gatewaytest.Peer, filter string) []string {
	in := app.Subscribe(filter, 1)
	defer func() { app.Unsubscribe(filter).Wait() }()
	topics := map[string]bool{}
	for {
		select {
		case m := <-in.Messages():
			if m.Retained {
				topics[m.Topic] = true
			}
		case <-time.After(100 * time.Millisecond):
			return slices.Sorted(maps.Keys(topics))
		}
	}
}

func connection(devices ...string) []string {
	topics := []string{"homeassistant/binary_sensor/w/connection/config"}
	for _, d := range devices {
		topics = append(topics, "homeassistant/binary_sensor/w/"+d+"_-t/config")
	}
	slices.Sort(topics)
	return topics
}

const discovery = "homeassistant: {}\n"

func TestHomeAssistantIsToldWhatThereIs(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, url, version string) {
		app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
		is := func(what string, want []string) {
			t.Helper()
			eventually(t, what, func() bool { return slices.Equal(announced(app, "homeassistant/#"), want) })
		}
		first := startSession(t, homeYAML(url, version, discovery, "kept", "gone", "old"))
		is("all are announced", connection("gone", "kept", "old"))
		first.stop()

		// What is not ours stays, though it may look like it.
		const foreign, similar = "homeassistant/sensor/other/t/config", "homeassistant/sensor/w/t/config"
		app.Publish(foreign, 1, true, `{"name":"t","state_topic":"a"}`)
		app.Publish(similar, 1, true, `{"name":"t","state_topic":"a","origin":{"name":"modferry"},"availability":[{"topic":"site/w/status"}]}`)
		with := func(ours []string) []string { return slices.Sorted(slices.Values(append(ours, foreign, similar))) }

		second := startSession(t, homeYAML(url, version, discovery, "kept", "gone"))
		is("what left the configuration while the gateway was stopped is removed", with(connection("gone", "kept")))
		if err := second.Reload(parse(t, homeYAML(url, version, discovery, "kept", "new"))); err != nil {
			t.Fatal(err)
		}
		is("what left it while the gateway ran is removed, and what is new is announced", with(connection("kept", "new")))

		if err := second.Reload(parse(t, homeYAML(url, version, "homeassistant: {prefix: ha}\n", "kept"))); err != nil {
			t.Fatal(err)
		}
		is("nothing is left under the old prefix", with(nil))
		eventually(t, "it is under the new one", func() bool { return len(announced(app, "ha/#")) == 2 })
		if err := second.Reload(parse(t, homeYAML(url, version, "", "kept"))); err != nil {
			t.Fatal(err)
		}
		eventually(t, "nothing is left", func() bool { return len(announced(app, "ha/#")) == 0 })
	})
}

func TestHomeAssistantIsToldAgainWhenItStarts(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, url, version string) {
		app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
		startSession(t, homeYAML(url, version, discovery, "d"))
		eventually(t, "all are announced", func() bool { return slices.Equal(announced(app, "homeassistant/#"), connection("d")) })

		in := app.Subscribe("homeassistant/+/w/+/config", 1)
		for range 2 {
			in.Await(patience, func(m gatewaytest.Message) bool { return m.Retained })
		}
		app.Publish("homeassistant/status", 1, false, "offline")
		in.Quiet(200 * time.Millisecond)
		app.Publish("homeassistant/status", 1, false, "online")
		for range 2 {
			m := in.Next(patience)
			if m.Retained || !strings.Contains(string(m.Payload), `"unique_id"`) {
				t.Errorf("%s %q", m.Topic, m.Payload)
			}
		}
		in.Quiet(200 * time.Millisecond)
	})
}

// TestAnnouncementsAreListenedToForAWhile: their subscription ends, so that they do not
// all come back after each reconnect.
func TestAnnouncementsAreListenedToForAWhile(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, url, version string) {
		app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
		g := startSession(t, homeYAML(url, version, discovery, "d"))
		const orphan = "homeassistant/sensor/w/orphan/config"
		const payload = `{"name":"t","state_topic":"modferry/w/status","origin":{"name":"modferry"}}`
		removed := func() bool { return len(announced(app, orphan)) == 0 }
		app.Publish(orphan, 1, true, payload)
		eventually(t, "an announcement that is not the configuration's is removed", removed)
		eventually(t, "the gateway does not listen any more", func() bool {
			app.Publish(orphan, 1, true, payload)
			for range 3 {
				if removed() {
					return false
				}
			}
			return true
		})
		if err := g.Reload(parse(t, homeYAML(url, version, discovery, "d", "e"))); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it does after a change", removed)
	})
}
