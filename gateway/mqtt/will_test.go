package mqtt_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

// A broker that refuses the will as it is wanted is used all the same: requests are answered.
func TestAWillThatTheBrokerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ line, says string }{
		"no retained messages": {"retain_available false", "keeps no retained messages"},
		"only QoS 0":           {"max_qos 0", "connected to the broker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Lines: []string{c.line}})
			app := gatewaytest.Client(t, b.URL(), gatewaytest.ClientOptions{})
			status, response := app.Subscribe("w/status", 0), app.Subscribe("w/response", 0)
			line := newCable(t, b.Addr)
			var log lockedBuffer
			s, _ := run(t, "tcp://"+line.Addr().String(), with(mqtt.V5, func(o *mqtt.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
			for connects := range uint64(2) {
				await(t, "connection", func() bool { return s.Status().Connected && s.Status().Connects > connects })
				app.Publish("w/request", 0, false, "1")
				next(t, response, "re: 1")
				line.cut()
				status.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "offline" })
			}
			if said := log.String(); !strings.Contains(said, c.says) {
				t.Errorf("the log does not say %q:\n%s", c.says, said)
			}
		})
	}
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A last word that is made anew for each connection, and events that are made when they go out.
func TestWillAndEventsThatAreMadeForEachConnection(t *testing.T) {
	each(t, func(t *testing.T, broker server, v mqtt.Version) {
		line := newCable(t, broker.addr)
		app := gatewaytest.Client(t, broker.url(), gatewaytest.ClientOptions{})
		death, birth := app.Subscribe("w/death", 1), app.Subscribe("w/birth", 1)
		var s *mqtt.Session
		var ready sync.WaitGroup
		ready.Add(1)
		connection := 0 // the session's goroutine alone uses it
		event := mqtt.Event{Flow: "births", Compose: func() (string, []byte) { return "w/birth", fmt.Append(nil, connection) }}
		nothing := mqtt.Event{Flow: "births", Compose: func() (string, []byte) { return "", nil }}
		s, end := run(t, "tcp://"+line.Addr().String(), with(v, qos(0), func(o *mqtt.Options) {
			o.Status, o.AtLeastOnce = "", true
			o.Connecting = func() { connection++ }
			o.Will = &mqtt.Will{Topic: "w/death", Payload: func() []byte { return fmt.Append(nil, connection) }}
			o.Online = func() { ready.Wait(); s.Publish(nothing); s.Publish(event) }
		}))
		ready.Done()
		for _, number := range []string{"1", "2", "3"} {
			next(t, birth, number)
			if number == "3" {
				end()
			} else {
				line.cut()
			}
			if m := death.Next(patience); string(m.Payload) != number || m.Retained {
				t.Errorf("the last word of connection %s is %q, retained %t", number, m.Payload, m.Retained)
			}
		}
		death.Quiet(50 * time.Millisecond)
		late := gatewaytest.Client(t, broker.url(), gatewaytest.ClientOptions{})
		late.Subscribe("w/#", 1).Quiet(50 * time.Millisecond) // nothing is retained
	})
}
