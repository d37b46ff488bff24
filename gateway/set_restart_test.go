package gateway_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// counts returns how often each request came.
func counts(requests []string) map[string]int {
	n := map[string]int{}
	for _, r := range requests {
		n[r]++
	}
	return n
}

// Row 19, of values: the gateway is killed while a value is on its way, again and
// again. It is never written twice, and its app learns that its outcome is not known.
func TestRow19KilledSetsAreMadeOnce(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			d := newPLC(t)
			var mute atomic.Bool
			d.begin(func(_ byte, p modbus.PDU, honest func() modbus.PDU) (modbus.PDU, bool) {
				return honest(), !mute.Load() || !modbus.IsWrite(p.FunctionCode)
			})
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			in := results(app)
			p := newProgram(t, app, fmt.Sprintf("data_dir: %q\nmqtt: {url: %q, version: %q}\n%s", t.TempDir(), broker.URL(), version,
				strings.Replace(setYAML(d.addr), "timeout: 300ms", "timeout: 30s", 1)))
			kills, unknown, done := 3**rounds, 0, 0
			for kill := range kills {
				mute.Store(true)
				plain, id := fmt.Sprint(kill), fmt.Sprintf(`{"id":%d,"value":%d}`, kill, 50+kill)
				before := d.requests()
				app.Publish("modferry/w/device/d/checked/set", 2, false, id)
				eventually(t, "the first value reaches the device", func() bool { return len(d.since(before)) == 1 })
				app.Publish("modferry/w/device/d/setpoint/set", 1, false, plain) // waits behind it
				p.Kill()
				mute.Store(false)
				p.start()
				app.Publish("modferry/w/device/d/checked/set", 1, false, id) // by an app that knows nothing
				for open := map[string]bool{"checked": true, "setpoint": true}; len(open) > 0; {
					m := in.Next(recovery)
					reading := strings.Split(m.Topic, "/")[4]
					if reading == "checked" && !strings.Contains(string(m.Payload), fmt.Sprintf(`"id":%d,`, kill)) {
						continue // the one before, which was asked for twice
					}
					switch delete(open, reading); reading {
					case "checked":
						includes(t, string(m.Payload), fmt.Sprintf(`{"id":%d,"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`, kill))
						unknown++
					case "setpoint":
						includes(t, string(m.Payload), fmt.Sprintf(`{"ok":true,"value":%d,"outcome":"done"}`, kill))
						done++
					}
				}
			}
			for request, n := range counts(d.since(0)) {
				if n > 1 {
					t.Errorf("%s was written %d times", request, n)
				}
			}
			t.Logf("%d kills in the middle of a write: %d answers say unknown, %d values that waited were written after it, none twice", kills, unknown, done)
		})
	}
}

// Values that wait at the broker for longer than requests.resume_within are not set late.
func TestSetsDoNotOutliveResumeWithin(t *testing.T) {
	t.Parallel()
	broker, d := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}), newPLC(t)
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	in := results(app)
	p := newProgram(t, app, fmt.Sprintf("data_dir: %q\nmqtt: {url: %q}\nrequests: {resume_within: 1s}\n%s", t.TempDir(), broker.URL(), setYAML(d.addr)))
	p.Kill()
	app.Publish("modferry/w/device/d/setpoint/set", 1, false, "1")
	time.Sleep(2500 * time.Millisecond) // what is tested is this absence
	p.start()
	includes(t, set(t, app, in, "setpoint", "2"), `{"ok":true,"value":2}`)
	if writes := d.since(0); len(writes) != 1 {
		t.Errorf("writes %s, want the one of now only", writes)
	}
}

// Other limits hold from the reload on, and the connection to the device goes on; what
// can no longer be set is refused.
func TestSetAfterAReload(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	yaml := func(reading string) string {
		return fmt.Sprintf("buses: {b: {tcp: %q}}\ndevices: {d: {bus: b, unit: 1, every: 1h, readings: {r: {holding: 10, type: uint16%s}, other: {holding: 11, type: uint16}}}}\n", d.addr, reading)
	}
	r := startReloading(t, yaml(""))
	in := results(r.app)
	for i, c := range []struct{ reading, want string }{
		{"", `{"ok":false,"error":{"code":"denied"}}`},
		{", set: {min: 0, max: 10}", `{"ok":false,"error":{"code":"denied"}}`},
		{", set: {min: 0, max: 100}", `{"ok":true,"value":50}`},
		{", set: {min: 50, max: 50}", `{"ok":true,"value":50}`},
		{"", `{"ok":false,"error":{"code":"denied"}}`},
	} {
		if i > 0 {
			r.reload(yaml(c.reading))
		}
		eventually(t, "the gateway hears the set topics", func() bool { // which it subscribes after the reload
			r.app.Publish("modferry/w/device/d/r/set", 1, false, fmt.Sprintf(`{"id":%d,"value":50}`, i))
			select {
			case m := <-in.Messages():
				includes(t, string(m.Payload), c.want)
				return true
			case <-time.After(200 * time.Millisecond):
				return false
			}
		})
	}
	if writes := d.since(0); len(writes) != 2 {
		t.Errorf("writes %s, want two", writes)
	}
}

// A unit that does not answer, whose polls rest, gets one try of each set; what is set
// at another unit meanwhile does not wait for it for longer than that.
func TestSetOfASilentUnit(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	d.begin(func(unit byte, _ modbus.PDU, honest func() modbus.PDU) (modbus.PDU, bool) { return honest(), unit != 2 })
	app := start(t, fmt.Sprintf(`gateway: w
buses: {b: {tcp: %q, timeout: 100ms}}
devices:
  d: {bus: b, unit: 1, every: 50ms, readings: {r: {holding: 10, type: uint16, set: {min: 0, max: 100}}}}
  dead: {bus: b, unit: 2, every: 50ms, readings: {r: {holding: 10, type: uint16, set: {min: 0, max: 100}}}}
`, d.addr))
	in, status := results(app), app.Subscribe("modferry/w/bus/b/status", 1)
	status.Await(recovery, func(m gatewaytest.Message) bool { return strings.Contains(string(m.Payload), `"resting"`) })
	before := len(d.since(0))
	app.Publish("modferry/w/device/dead/r/set", 1, false, `{"id":1,"value":5}`)
	app.Publish("modferry/w/device/d/r/set", 1, false, `{"id":2,"value":6}`)
	includes(t, string(in.Next(patience).Payload), `{"id":1,"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`)
	includes(t, string(in.Next(patience).Payload), `{"id":2,"ok":true,"value":6,"outcome":"done"}`)
	if writes := d.since(before); len(writes) != 2 {
		t.Errorf("writes %s, want one for each unit", writes)
	}
}
