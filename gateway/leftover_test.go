package gateway_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// A device or bus that leaves the configuration, or gets another name, while the gateway
// is stopped leaves nothing behind that looks alive; nor does a prefix that is given up.
func TestNothingIsLeftOfWhatIsNotConfiguredAnyMore(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, url, version string) {
		device, folder := newDevice(t), t.TempDir()
		yaml := func(folder, prefix, bus, name, reading string) string {
			text := fmt.Sprintf("gateway: w\nmqtt: {url: %q, version: %q}\nbuses: {%s: {tcp: %q}}\ndevices: {%s: {bus: %s, unit: 1, every: 100ms, readings: {%s: {input: 1, type: uint16}}}}\n",
				url, version, bus, device.addr, name, bus, reading)
			if folder != "" {
				text += fmt.Sprintf("data_dir: %q\n", folder)
			}
			if prefix != "" {
				text += "prefix: " + prefix + "\n"
			}
			return text
		}
		app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
		of := func(prefix, bus, name, reading string) []string {
			device := prefix + "/device/" + name
			return []string{prefix + "/bus/" + bus + "/status", device + "/" + reading, device + "/status"}
		}
		const foreign = "modferry/w/device/other/status"
		app.Publish(foreign, 1, true, "online") // was never said by this gateway
		is := func(what string, want []string) {
			t.Helper()
			want = slices.Sorted(slices.Values(append(slices.Clone(want), foreign)))
			eventually(t, what, func() bool { return slices.Equal(retainedStates(app), want) })
		}
		turn := func(what string, want []string, text string) {
			t.Helper()
			g := startSession(t, text)
			is(what, want)
			g.stop()
		}
		turn("all is published", of("modferry/w", "b", "old", "t"), yaml(folder, "", "b", "old", "t"))
		turn("another device", of("modferry/w", "b", "new", "t"), yaml(folder, "", "b", "new", "t"))
		turn("another reading", of("modferry/w", "b", "new", "u"), yaml(folder, "", "b", "new", "u"))
		turn("another bus", of("modferry/w", "c", "new", "u"), yaml(folder, "", "c", "new", "u"))
		turn("another prefix", of("site/w", "c", "new", "u"), yaml(folder, "site/w", "c", "new", "u"))
		turn("the first prefix again", of("modferry/w", "c", "new", "u"), yaml(folder, "", "c", "new", "u"))
		turn("without data_dir nothing is known", append(of("modferry/w", "c", "new", "u"), of("modferry/w", "c", "last", "u")[1:]...), yaml("", "", "c", "last", "u"))
	})
}

// retainedStates returns the retained topics of buses and devices.
func retainedStates(app *gatewaytest.Peer) []string {
	const filter = "+/w/+/+/#"
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

// What could not be cleared, because the broker was away, is cleared by the next process.
func TestWhatIsToBeClearedIsRememberedUntilItIs(t *testing.T) {
	t.Parallel()
	device, folder := newDevice(t), t.TempDir()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	proxy := gatewaytest.Toxiproxy(t, broker.Addr)
	yaml := func(name string) string {
		return fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\"}\nbuses: {b: {tcp: %q}}\ndevices: {%s: {bus: b, unit: 1, every: 100ms, heartbeat: 1s, readings: {t: {input: 1, type: uint16}}}}\n",
			folder, proxy.Addr, device.addr, name)
	}
	file := filepath.Join(folder, "topics.json")
	says := func(what string) func() bool {
		return func() bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(text), what)
		}
	}
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	gone := func() bool {
		return !slices.ContainsFunc(retainedStates(app), func(topic string) bool { return strings.Contains(topic, "/old") })
	}
	first := startSession(t, yaml("old"))
	eventually(t, "the device is published", func() bool { return !gone() })
	first.stop()

	proxy.Disable()
	second := run(t, parse(t, yaml("new")))
	eventually(t, "the file has the present device", says("device/new/t"))
	if !says("device/old/t")() {
		t.Error("the file has forgotten what the broker still has")
	}
	proxy.Enable()
	select {
	case <-second.Ready():
	case <-time.After(patience):
		t.Fatal("the gateway is not ready")
	}
	eventually(t, "the old device is cleared", gone)
	eventually(t, "the file forgets it", func() bool { return !says("device/old/t")() })
}
