package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// The same id is answered from memory, anything else is a new set.
func TestSetOfTheSameIDIsMadeOnce(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	app := start(t, setYAML(d.addr))
	in := results(app)
	for i, c := range []struct {
		reading, payload string
		made             int
	}{
		{"setpoint", `{"id":1,"value":21.5}`, 1},
		{"setpoint", `{"id":1,"value":21.5}`, 1},
		{"setpoint", `{"value": 21.50, "id": 1, "timeout_ms": 700}`, 1},
		{"setpoint", `{"id":1,"value":22}`, 2},
		{"setpoint", `{"id":2,"value":22}`, 3},
		{"checked", `{"id":2,"value":22}`, 4},
		{"setpoint", "22", 5},
		{"setpoint", "22", 6},
		{"setpoint", `{"value":22}`, 7},
	} {
		reply := set(t, app, in, c.reading, c.payload)
		if !strings.Contains(reply, `"ok":true`) {
			t.Errorf("%d: %s", i, reply)
		}
		if n := len(d.since(0)); n != c.made {
			t.Errorf("after %s the device has %d writes, want %d", c.payload, n, c.made)
		}
	}
}

// Row 18, of values: retained ones are never set.
func TestRow18RetainedSetsNeverExecute(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			d, broker := newPLC(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			proxy := gatewaytest.Toxiproxy(t, broker.Addr)
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			in, status := results(app), app.Subscribe("modferry/w/status", 1)
			for qos, reading := range []string{"setpoint", "checked", "mode"} {
				app.Publish("modferry/w/device/d/"+reading+"/set", byte(qos), true, `{"id":1,"value":5}`)
			}
			run(t, parse(t, fmt.Sprintf("mqtt: {url: %q, version: %q}\n", "mqtt://"+proxy.Addr, version)+setYAML(d.addr)))
			connects := 5 * *rounds
			for connect := range connects {
				if connect > 0 {
					proxy.Disable()
					proxy.Enable()
				}
				online(t, status, 1)
				for missing := map[string]bool{"setpoint": true, "checked": true, "mode": true}; len(missing) > 0; {
					m := in.Next(recovery)
					includes(t, string(m.Payload), `{"id":1,"ok":false,"error":{"code":"retained"},"outcome":"refused"}`)
					delete(missing, strings.Split(m.Topic, "/")[4])
				}
			}
			app.Publish("modferry/w/device/d/setpoint/set", 1, false, "21.5")
			in.Await(recovery, func(m gatewaytest.Message) bool { return !strings.Contains(string(m.Payload), `"retained"`) })
			if writes := d.since(0); !slices.Equal(writes, []string{"06000A00D7"}) {
				t.Errorf("writes %s, want the live one only", writes)
			}
		})
	}
}

// The result goes where MQTT 5 asks for it, if that is allowed, with the correlation
// data; the expiry of the message counts.
func TestSetWithMQTT5(t *testing.T) {
	t.Parallel()
	d, broker := newPLC(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
	startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q, version: \"5\", reply_topics: [\"apps/#\"]}\n", broker.URL())+setYAML(d.addr))
	const standard = "modferry/w/device/d/setpoint/set/result"
	p := newPeer5(t, broker.Addr, standard, "apps/#", "modferry/w/mine", "modferry/w/device/d/checked/#")
	next := func() *paho.Publish {
		for {
			if m := p.next(); m.Topic != "modferry/w/device/d/checked" { // the reading itself
				return m
			}
		}
	}
	for i, c := range []struct {
		topic   string
		allowed bool
	}{
		{"", true},
		{standard, true},
		{"apps/panel", true},
		{"modferry/w/mine", true},
		{"elsewhere", false},
		{"modferry/w/device/d/checked/set", false},
		{"modferry/w/device/d/checked/set/result", false},
		{"modferry/w/device/d/checked", false},
		{"modferry/w/bus/b/request", false},
		{"modferry/w/bus/b/response/me", false},
	} {
		before, correlation := len(d.since(0)), []byte{byte(i), 0, 255}
		p.publish("modferry/w/device/d/setpoint/set", byte(i%3), fmt.Sprintf(`{"id":%d,"value":%d}`, i, i), paho.PublishProperties{ResponseTopic: c.topic, CorrelationData: correlation})
		where, want := c.topic, fmt.Sprintf(`{"id":%d,"ok":true,"value":%d,"outcome":"done"}`, i, i)
		if !c.allowed {
			want = fmt.Sprintf(`{"id":%d,"ok":false,"error":{"code":"denied"},"outcome":"refused"}`, i)
		}
		if !c.allowed || c.topic == "" {
			where = standard
		}
		m := next()
		if includes(t, string(m.Payload), want); m.Topic != where || string(m.Properties.CorrelationData) != string(correlation) {
			t.Errorf("%q: %s on %s with %x, want it on %s", c.topic, m.Payload, m.Topic, m.Properties.CorrelationData, where)
		}
		if made := len(d.since(0)) - before; (made == 1) != c.allowed {
			t.Errorf("%q: %d writes", c.topic, made)
		}
	}
}

// A set waits for the bus until it expires, in the payload's words or those of MQTT 5.
func TestSetExpires(t *testing.T) {
	t.Parallel()
	d, broker := newPLC(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	d.begin(func(unit byte, _ modbus.PDU, honest func() modbus.PDU) (modbus.PDU, bool) {
		if unit == 7 {
			held <- struct{}{}
			<-hold
		}
		return honest(), true
	})
	app := startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q, version: \"5\"}\n", broker.URL())+setYAML(d.addr))
	in := results(app)
	app.Publish("modferry/w/bus/b/request/slow", 1, false, `{"id":1,"unit":7,"function":3,"address":1,"quantity":1,"timeout_ms":5000}`)
	<-held
	p := newPeer5(t, broker.Addr)
	short, long := uint32(1), uint32(60)
	const topic = "modferry/w/device/d/setpoint/set"
	p.publish(topic, 1, `{"id":2,"value":2}`, paho.PublishProperties{MessageExpiry: &short})
	p.publish(topic, 1, `{"id":3,"value":3}`, paho.PublishProperties{MessageExpiry: &long})
	p.publish(topic, 1, fmt.Sprintf(`{"id":4,"value":4,"expires":%d}`, time.Now().Add(500*time.Millisecond).UnixMilli()), paho.PublishProperties{MessageExpiry: &long})
	time.Sleep(1200 * time.Millisecond) // the expiry is in whole seconds
	close(hold)
	for range 3 {
		switch reply := string(in.Next(patience).Payload); {
		case strings.Contains(reply, `"id":3`):
			includes(t, reply, `{"ok":true,"value":3,"outcome":"done"}`)
		default:
			includes(t, reply, `{"ok":false,"error":{"code":"expired"},"outcome":"refused"}`)
		}
	}
	if writes := d.since(0); !slices.Equal(writes, []string{"06000A001E"}) {
		t.Errorf("writes %s, want the one that lasts", writes)
	}
}

// Each reading has its own rate, as if it were a client.
func TestSetKeepsToTheRate(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	app := start(t, "requests: {rate: 1}\n"+setYAML(d.addr))
	in := results(app)
	includes(t, set(t, app, in, "setpoint", "1"), `{"ok":true}`)
	includes(t, set(t, app, in, "setpoint", `{"id":1,"value":2}`), `{"id":1,"ok":false,"error":{"code":"busy"},"outcome":"refused"}`)
	includes(t, set(t, app, in, "checked", "1"), `{"ok":true}`)
	if writes := d.since(0); len(writes) != 2 {
		t.Errorf("writes %s, want two", writes)
	}
}
