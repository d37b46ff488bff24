package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/gatewaytest"
)

// reloading is a gateway with an embedded broker and an app.
type reloading struct {
	t   *testing.T
	g   *gateway.Gateway
	app *gatewaytest.Peer
}

func startReloading(t *testing.T, yaml string) *reloading {
	t.Helper()
	r := &reloading{t: t, g: run(t, parse(t, header+yaml))}
	select {
	case <-r.g.Ready():
	case <-time.After(patience):
		t.Fatal("the gateway is not ready")
	}
	r.app = gatewaytest.Client(t, "tcp://"+r.g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	return r
}

const header = "gateway: w\nbroker: {mqtt: 127.0.0.1:0}\n"

func (r *reloading) reload(yaml string) {
	r.t.Helper()
	if err := r.g.Reload(parse(r.t, header+yaml)); err != nil {
		r.t.Fatalf("not reloaded: %v", err)
	}
}

// ask sends a request to a bus until somebody answers, and returns the reply.
func (r *reloading) ask(bus, request string) string {
	r.t.Helper()
	in := r.app.Subscribe("modferry/w/bus/"+bus+"/response/me", 1)
	defer func() { r.app.Unsubscribe("modferry/w/bus/" + bus + "/response/me").Wait() }()
	r.app.Publish("modferry/w/bus/"+bus+"/request/me", 1, false, request)
	return string(in.Next(patience).Payload)
}

// retained returns what is retained under a filter, by topic.
func (r *reloading) retained(filter string) map[string]string {
	r.t.Helper()
	in := r.app.Subscribe(filter, 1)
	defer func() { r.app.Unsubscribe(filter).Wait() }()
	all := map[string]string{}
	for {
		select {
		case m := <-in.Messages():
			if m.Retained {
				all[m.Topic] = string(m.Payload)
			}
		case <-time.After(200 * time.Millisecond):
			return all
		}
	}
}

func TestReloadKeepsWhatIsNotChanged(t *testing.T) {
	kept, changed := newDevice(t), newDevice(t)
	yaml := "buses:\n  kept: {tcp: %q, timeout: 5s%s}\n  other: {tcp: %q, timeout: %s}\n%s"
	r := startReloading(t, fmt.Sprintf(yaml, kept.addr, "", changed.addr, "200ms", ""))
	r.ask("kept", "010400010001")
	r.ask("other", "010400010001")

	// A transaction that is on its way when the configuration changes.
	slow := r.app.Subscribe("modferry/w/bus/kept/response/slow", 1)
	r.app.Publish("modferry/w/bus/kept/request/slow", 1, false, "070400010001")
	eventually(t, "the slow request reaches the device", func() bool { return kept.requests() == 2 })

	r.reload(fmt.Sprintf(yaml, kept.addr, ", allow: [{functions: [6]}]", changed.addr, "300ms",
		"  more: {tcp: \""+changed.addr+"\", timeout: 300ms}\ndevices:\n  d: {bus: kept, unit: 1, every: 100ms, readings: {t: {input: 5, type: uint16}}}\n"))
	close(kept.hold)
	if m := slow.Next(patience); string(m.Payload) != "0704020001" {
		t.Errorf("the transaction on its way was answered %q", m.Payload)
	}
	if reply := r.ask("kept", "010600050007"); reply != "010600050007" {
		t.Errorf("the new rule does not hold: %q", reply)
	}
	if n := kept.accepted(); n != 1 {
		t.Errorf("the bus that did not change has made %d connections", n)
	}
	if reply := r.ask("more", "010400030001"); reply != "0104020003" {
		t.Errorf("the new bus answers %q", reply)
	}
	if n := changed.accepted(); n != 2 {
		t.Errorf("the bus that changed has made %d connections, want a new one, shared with the new bus", n)
	}
	in := r.app.Subscribe("modferry/w/device/d/t", 1)
	if m := in.Next(patience); !strings.HasPrefix(string(m.Payload), `{"value":5,`) {
		t.Errorf("the new device's reading is %q", m.Payload)
	}
}

func TestReloadForgetsWhatIsGone(t *testing.T) {
	d := newDevice(t)
	bus := "buses:\n  b: {tcp: \"" + d.addr + "\", timeout: 200ms}\n"
	r := startReloading(t, bus+"  gone: {tcp: \"127.0.0.1:9\", timeout: 200ms}\n"+
		"devices:\n  d: {bus: b, unit: 1, every: 50ms, readings: {t: {input: 5, type: uint16}, u: {input: 6, type: uint16}}}\n"+
		"  e: {bus: b, unit: 1, every: 50ms, readings: {t: {input: 5, type: uint16}}}\n")
	all := []string{
		"modferry/w/device/d/t", "modferry/w/device/d/u", "modferry/w/device/d/status", "modferry/w/device/e/t", "modferry/w/device/e/status",
		"modferry/w/bus/b/status", "modferry/w/bus/gone/status", "modferry/w/status",
	}
	eventually(t, "everything is published", func() bool { return len(r.retained("modferry/w/#")) == len(all) })

	r.reload(bus + "devices:\n  d: {bus: b, unit: 1, every: 50ms, readings: {t: {input: 7, type: uint16}}}\n")
	eventually(t, "only what is configured stays", func() bool {
		now := r.retained("modferry/w/#")
		return len(now) == 4 && strings.HasPrefix(now["modferry/w/device/d/t"], `{"value":7,`)
	})
	before := d.requests()
	r.reload(bus)
	eventually(t, "nothing of the device stays", func() bool { return len(r.retained("modferry/w/device/#")) == 0 })
	time.Sleep(500 * time.Millisecond) // ten periods of the polls that should have ended
	if polls := d.requests() - before; polls > 2 {
		t.Errorf("%d polls of a device that is not configured any more", polls)
	}
}

func TestReloadOfTopicsAndSession(t *testing.T) {
	d := newDevice(t)
	yaml := "mqtt: {keepalive: %s}\nbuses:\n  b: {tcp: \"" + d.addr + "\", timeout: 200ms%s}\n"
	r := startReloading(t, fmt.Sprintf(yaml, "30s", ""))
	r.ask("b", "010400010001")

	r.reload(fmt.Sprintf(yaml, "30s", ", request: abc, response: abc/reply"))
	in := r.app.Subscribe("abc/reply", 1)
	answered := func(request, want string) { // from when the topic is subscribed, which is soon
		t.Helper()
		eventually(t, "a reply "+want, func() bool {
			r.app.Publish("abc", 1, false, request)
			select {
			case m := <-in.Messages():
				return string(m.Payload) == want
			case <-time.After(200 * time.Millisecond):
				return false
			}
		})
	}
	answered("010400020001", "0104020002")

	status := r.app.Subscribe("modferry/w/status", 1)
	status.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
	r.reload(fmt.Sprintf(yaml, "20s", ", request: abc, response: abc/reply")) // another connection to the broker
	status.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
	eventually(t, "the gateway is back", func() bool { return r.g.Connected() == nil })
	answered("010400030001", "0104020003")
	if n := d.accepted(); n != 1 {
		t.Errorf("%d connections to the device, want the one it had", n)
	}
}

func TestReloadThatNeedsARestart(t *testing.T) {
	d := newDevice(t)
	bus := "buses:\n  b: {tcp: \"" + d.addr + "\", timeout: 200ms}\n"
	r := startReloading(t, bus)
	for _, yaml := range []string{
		"gateway: v\nbroker: {mqtt: 127.0.0.1:0}\n" + bus,
		header + "prefix: other/w\n" + bus,
		header + "data_dir: /nowhere/w\n" + bus,
		header + "http: {listen: 127.0.0.1:0}\n" + bus,
		"gateway: w\nbroker: {mqtt: 127.0.0.1:1}\n" + bus,
		"gateway: w\nbroker: {mqtt: 127.0.0.1:0, users: {a: {password: b}}}\n" + bus,
		"gateway: w\nmqtt: {url: \"mqtt://127.0.0.1:1\"}\n" + bus,
	} {
		if err := r.g.Reload(parse(t, yaml)); !errors.Is(err, gateway.ErrRestart) {
			t.Errorf("%q: %v, want ErrRestart", yaml, err)
		}
	}
	if reply := r.ask("b", "010400010001"); reply != "0104020001" {
		t.Errorf("afterwards the gateway answers %q", reply)
	}
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if so() {
			return
		}
	}
	t.Fatalf("not within %v: %s", 2*patience, what)
}
