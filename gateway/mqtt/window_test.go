package mqtt_test

import (
	"fmt"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

// With every place in flight taken, the session waits for the broker. It must not
// wait for one that is lost: until it connects again, no request is answered.
func TestALossIsSeenWithAFullWindow(t *testing.T) {
	for name, v := range map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const events, soon = 300, 3 * time.Second // it took 10 s, the limit for an acknowledgement
			b := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			line := gatewaytest.Toxiproxy(t, b.Addr)
			app := gatewaytest.Client(t, b.URL(), gatewaytest.ClientOptions{})
			response := app.Subscribe("w/response", 1)
			s, _ := run(t, "tcp://"+line.Addr, with(v, lasting(time.Minute, ""), func(o *mqtt.Options) { o.Events = events }))
			connected(t, s)
			line.Blackhole(gatewaytest.Down) // no acknowledgement comes
			for i := range events {
				s.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
			}
			for range 16 { // the window is full, or about to be
				response.Next(patience)
			}
			cut := time.Now()
			line.Disable()
			await(t, "loss", func() bool { return !s.Status().Connected })
			if took := time.Since(cut); took > soon {
				t.Errorf("the loss is seen after %v", took)
			}
			line.Clear()
			line.Enable()
			response.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == fmt.Sprint(events-1) })
		})
	}
}
