package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

// clientV5 connects a client of MQTT 5 and subscribes a topic.
func clientV5(t *testing.T, addr, topic string) (*paho.Client, <-chan *paho.Publish) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *paho.Publish, 100)
	c := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(r paho.PublishReceived) (bool, error) { got <- r.Packet; return true, nil },
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: "app5", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	return c, got
}

func TestPropertiesOfRequestAndReply(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) server{"mosquitto": mosquitto, "embedded": embedded} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			in := make(chan mqtt.Message, 10)
			gateway, _ := run(t, s.url(), with(mqtt.V5, collect(in)))
			connected(t, gateway)
			app, replies := clientV5(t, s.addr, "app/replies")
			expiry := uint32(60)
			request := &paho.Publish{Topic: "w/request", QoS: 1, Payload: []byte("read"), Properties: &paho.PublishProperties{
				ResponseTopic: "app/replies", CorrelationData: []byte{0, 1, 255}, MessageExpiry: &expiry,
			}}
			if _, err := app.Publish(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			m := receive(t, in, "read")
			if left := time.Until(m.Expires); m.Response != "app/replies" || string(m.Correlation) != "\x00\x01\xff" || left < 55*time.Second || left > time.Minute {
				t.Errorf("%+v", m)
			}
			m.Ack()
			gateway.Publish(mqtt.Event{Topic: m.Response, Payload: []byte("re"), Correlation: m.Correlation})
			select {
			case p := <-replies:
				if string(p.Payload) != "re" || string(p.Properties.CorrelationData) != "\x00\x01\xff" {
					t.Errorf("%v", p)
				}
			case <-time.After(patience):
				t.Fatal("no reply")
			}
			request.Properties = nil
			if _, err := app.Publish(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			if m := receive(t, in, "read"); m.Response != "" || m.Correlation != nil || !m.Expires.IsZero() {
				t.Errorf("without properties: %+v", m)
			}
		})
	}
}

// What the broker announces that it does not do is not asked of it.
func TestLimitsOfTheBroker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines   []string
		qos     byte // that arrives of 2
		dropped uint64
		retains bool
	}{
		"one at a time":       {[]string{"max_inflight_messages 1"}, 2, 0, true},
		"QoS 1":               {[]string{"max_qos 1"}, 1, 0, true},
		"small packets":       {[]string{"max_packet_size 2000"}, 2, 1, true},
		"no retained message": {[]string{"retain_available false"}, 2, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Lines: c.lines, NoDelay: true})
			app := gatewaytest.Client(t, b.URL(), gatewaytest.ClientOptions{})
			response, state := app.Subscribe("w/response", 2), app.Subscribe("w/state", 2)
			gateway, _ := run(t, b.URL(), with(mqtt.V5, qos(2), func(o *mqtt.Options) {
				o.Events = 300
				if !c.retains { // mosquitto refuses a retained will, too
					o.Status = ""
				}
			}))
			connected(t, gateway)
			gateway.Retain(mqtt.State{Topic: "w/state", Payload: []byte("1")})
			if c.retains {
				next(t, state, "1")
			}
			if name == "small packets" {
				gateway.Publish(mqtt.Event{Topic: "w/response", Payload: make([]byte, 2000)})
			}
			for i := range 200 {
				gateway.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
			}
			for i := range 200 {
				if m := response.Next(patience); string(m.Payload) != fmt.Sprint(i) || m.QoS != c.qos {
					t.Fatalf("%d: %q at QoS %d", i, m.Payload, m.QoS)
				}
			}
			if st := gateway.Status(); st.Connects != 1 || st.Dropped != c.dropped {
				t.Errorf("%+v, want %d dropped", st, c.dropped)
			}
		})
	}
}

// The broker is seen to be there also while only messages at QoS 0 go out: what it has
// for a session that was alive until a moment ago comes.
func TestAliveWhilePublishingAtQoS0(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		s := mosquitto(t)
		line := gatewaytest.Toxiproxy(t, s.addr)
		in := make(chan mqtt.Message, 10)
		gateway, _ := run(t, "tcp://"+line.Addr, with(v, qos(0), lasting(3*time.Second, ""), collect(in), func(o *mqtt.Options) { o.Status = "" }))
		connected(t, gateway)
		for range 40 {
			gateway.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("x")})
			time.Sleep(100 * time.Millisecond)
		}
		line.Blackhole(gatewaytest.Down) // the end of it is not seen as an end by the broker
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		app.Publish("w/request", 1, false, "waits")
		line.Disable()
		line.Clear()
		receive(t, in, "waits").Ack()
	})
}
