package gateway_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// Packets that come late, in pieces of a few bytes, and over connections that are reset
// in between: each write is made once and answered.
func TestRequestsOverABadLine(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			d, broker := newLedger(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Persistent: true})
			proxy := gatewaytest.Toxiproxy(t, broker.Addr)
			for _, way := range []gatewaytest.Direction{gatewaytest.Up, gatewaytest.Down} {
				proxy.Latency(way, 10*time.Millisecond, 5*time.Millisecond)
				proxy.Slice(way, 20, 10, time.Millisecond)
			}
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			replies, status := app.Subscribe("modferry/w/bus/b/response/me", 2), app.Subscribe("modferry/w/status", 1)
			run(t, parse(t, fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\", version: %q}\nbuses: {b: {tcp: %q, allow: [{}]}}\n",
				t.TempDir(), proxy.Addr, version, d.addr)))
			online := func() {
				status.Await(recovery, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
			}
			online()
			const each, cuts = 20, 3
			open := map[int]bool{}
			for cut := range cuts {
				for n := range each {
					id := 1 + cut*each + n
					open[id] = true
					app.Publish("modferry/w/bus/b/request/me", byte(1+n%2), false,
						fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":1,"values":[%d]}`, id, id))
					if n == each/2 {
						proxy.Disable()
						proxy.Enable()
					}
				}
				online()
			}
			for len(open) > 0 {
				var reply struct {
					ID      int
					OK      bool
					Outcome string
				}
				m := replies.Next(recovery)
				if err := json.Unmarshal(m.Payload, &reply); err != nil || !reply.OK && reply.Outcome != "unknown" {
					t.Fatalf("%s", m.Payload)
				}
				delete(open, reply.ID)
			}
			written := d.written()
			for id := 1; id <= each*cuts; id++ {
				if n := written[uint16(id)]; n != 1 {
					t.Errorf("value %d was written %d times", id, n)
				}
			}
		})
	}
}
