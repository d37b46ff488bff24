package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/sparkplug"
)

// Where the broker says so, a retained message is refused also when it is published
// while the gateway is connected: by MQTT 5, and by the embedded broker in any case.
func TestLiveRetainedMessagesNeverExecute(t *testing.T) {
	t.Parallel()
	for _, b := range brokers {
		if b.name != "embedded" && b.version != "5" {
			continue
		}
		t.Run(b.name+", MQTT "+b.version, func(t *testing.T) {
			t.Parallel()
			d := newPLC(t)
			yaml := strings.Replace(setYAML(d.addr), "timeout: 300ms}", fmt.Sprintf("timeout: 300ms, allow: [{}]}, shared: {tcp: %q, request: abc, response: abc, allow: [{}]}", d.addr), 1)
			app := startWith(t, b.name, b.version, "sparkplug: {group: plant}\nhomeassistant: {}\n"+yaml)
			host := &scada{t: t, app: app, in: app.Subscribe("spBv1.0/#", 1)}
			rebirth(host)
			errors, in := app.Subscribe("modferry/w/bus/+/error/#", 1), results(app)
			refused := func(what string, in *gatewaytest.Inbox) {
				t.Helper()
				if m := string(in.Next(patience).Payload); !strings.Contains(m, `"code":"retained"`) {
					t.Errorf("%s gives %s", what, m)
				}
			}
			before := d.requests()
			for qos := range byte(3) {
				app.Publish("modferry/w/bus/b/request/me", qos, true, "010600010001")
				refused("a request", errors)
				app.Publish("abc", qos, true, "010600010001")
				refused("a request on a shared topic", errors)
				app.Publish("modferry/w/device/d/setpoint/set", qos, true, "21.5")
				refused("a set", in)
			}
			command := sparkplug.Payload{Time: time.Now(), Seq: -1, Metrics: []sparkplug.Metric{{Name: "setpoint", Type: sparkplug.Double, Value: sparkplug.Value{Bits: 0x4004000000000000}}}}
			app.Publish("spBv1.0/plant/DCMD/w/d", 1, true, command.Append(nil))
			refused("a DCMD", in)
			if n := d.requests() - before; n != 0 {
				t.Errorf("%d requests reached the device", n)
			}
			app.Publish("modferry/w/bus/b/request/me", 1, true, "") // as the error advises
			if m := string(errors.Next(patience).Payload); !strings.Contains(m, `"code":"empty"`) {
				t.Errorf("clearing the topic gives %s", m)
			}
			if r := set(t, app, in, "setpoint", "21.5"); !strings.Contains(r, `"ok":true`) {
				t.Errorf("a live set gives %s", r)
			}
		})
	}
}

// What others state with the retain flag still counts as news when it is: its own
// status is corrected, and Home Assistant's start is noticed.
func TestLiveRetainedStatesAreNews(t *testing.T) {
	t.Parallel()
	for _, b := range brokers {
		t.Run(b.name+", MQTT "+b.version, func(t *testing.T) {
			t.Parallel()
			app := startWith(t, b.name, b.version, "homeassistant: {}\n"+setYAML(newPLC(t).addr))
			status := app.Subscribe("modferry/w/status", 1)
			is := func(word string) func(gatewaytest.Message) bool {
				return func(m gatewaytest.Message) bool { return string(m.Payload) == word }
			}
			status.Await(patience, is("online"))
			app.Publish("modferry/w/status", 1, true, "offline")
			status.Await(patience, is("offline"))
			status.Await(patience, is("online"))
			announced := app.Subscribe("homeassistant/#", 1)
			announced.Await(patience, func(m gatewaytest.Message) bool { return strings.Contains(m.Topic, "setpoint") })
			app.Publish("homeassistant/status", 1, true, "online")
			announced.Await(patience, func(m gatewaytest.Message) bool { return !m.Retained && strings.Contains(m.Topic, "setpoint") })
		})
	}
}
