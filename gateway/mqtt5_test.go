package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"modferry/gateway/gatewaytest"
)

// peer5 is a client of MQTT 5. It never hears what it said itself.
type peer5 struct {
	t        *testing.T
	client   *paho.Client
	messages chan *paho.Publish
}

func newPeer5(t *testing.T, address string, topics ...string) *peer5 {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer5{t: t, messages: make(chan *paho.Publish, 10_000)}
	id := fmt.Sprint("peer", time.Now().UnixNano())
	p.client = paho.NewClient(paho.ClientConfig{ClientID: id, Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(r paho.PublishReceived) (bool, error) { p.messages <- r.Packet; return true, nil },
	}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if ack, err := p.client.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30}); err != nil || ack.ReasonCode != 0 {
		t.Fatalf("cannot connect: %v", err)
	}
	t.Cleanup(func() { _ = p.client.Disconnect(&paho.Disconnect{}) })
	for _, topic := range topics {
		if _, err := p.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 2, NoLocal: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *peer5) publish(topic string, qos byte, payload string, properties paho.PublishProperties) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.client.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: []byte(payload), Properties: &properties}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer5) next() *paho.Publish {
	p.t.Helper()
	select {
	case m := <-p.messages:
		return m
	case <-time.After(patience):
		p.t.Fatal("no message")
		return nil
	}
}

// start5 runs a gateway that speaks MQTT 5 with mosquitto until the test ends.
func start5(t *testing.T, d *device) (broker *gatewaytest.Server, app *gatewaytest.Peer) {
	t.Helper()
	broker = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
	return broker, startAt(t, broker.URL(), fmt.Sprintf("mqtt: {url: %q, version: \"5\", reply_topics: [\"apps/#\"]}\n", broker.URL())+
		tcpGateway(d, ", allow: [{}]")+fmt.Sprintf("  shared: {tcp: %q, request: abc, response: abc, allow: [{}]}\n", d.addr))
}

// A reply goes where MQTT 5 asks for it, with the correlation data, if the topic is
// allowed. If it is not, nothing is executed and nothing is said there.
func TestMQTT5ResponseTopic(t *testing.T) {
	d := newDevice(t)
	broker, _ := start5(t, d)
	p := newPeer5(t, broker.Addr, "#")
	const standard = "modferry/w/bus/b/response/me"
	for i, c := range []struct {
		topic   string
		allowed bool
	}{
		{"", true},
		{standard, true},
		{"modferry/w/mine", true},
		{"modferry/w/mine/1/2", true},
		{"apps/phone/1", true},
		{"elsewhere", false},
		{"apps", true}, // apps/# includes it
		{"apps2", false},
		{"modferry/v/mine", false},
		{"modferry/w", false},
		{"modferry/w/", false},
		{"modferry/w/bus/b/response/you", false},
		{"modferry/w/bus/b/response", false},
		{"modferry/w/bus/b/request", false},
		{"modferry/w/bus/b/request/me", false},
		{"modferry/w/bus/b/request/you", false},
		{"modferry/w/bus/shared/request/you", false},
		{"abc", false},
		{"modferry/w/bus/b/error/me", false},
		{"modferry/w/status", false},
		{"modferry/w/bus/b/status", false},
		{"modferry/w/device/x/r", false},
		{"modferry/w/device/x/r/set", false},
		{"modferry/w/history", false},
		{"modferry/w/audit", false},
		{"$SYS/broker/uptime", false},
	} {
		t.Run(c.topic, func(t *testing.T) {
			before, correlation := d.requests(), []byte{byte(i), 0, 255}
			request := fmt.Sprintf("01060001%04X", i)
			p.publish("modferry/w/bus/b/request/me", byte(i%3), request, paho.PublishProperties{ResponseTopic: c.topic, CorrelationData: correlation})
			where, want, executed := c.topic, request, 1
			if c.topic == "" {
				where = standard
			}
			if !c.allowed {
				where, want, executed = standard, "018601", 0
			}
			for {
				m := p.next()
				if string(m.Payload) == request || string(m.Payload) == "018601" {
					if m.Topic != where || string(m.Payload) != want || !bytes.Equal(m.Properties.CorrelationData, correlation) {
						t.Errorf("%s on %s with %x, want %s on %s with %x", m.Payload, m.Topic, m.Properties.CorrelationData, want, where, correlation)
					}
					break
				}
			}
			if n := d.requests() - before; n != executed {
				t.Errorf("%d requests are executed, want %d", n, executed)
			}
		})
	}
}

// A request whose message expires while it waits for the bus is not executed.
func TestMQTT5MessageExpiry(t *testing.T) {
	d := newDevice(t)
	broker, app := start5(t, d)
	held := app.Subscribe("modferry/w/bus/b/response/first", 1)
	in := app.Subscribe("modferry/w/bus/b/response/me", 1)
	const slow = `{"id":1,"unit":7,"function":4,"address":1,"quantity":1,"timeout_ms":5000}`
	app.Publish("modferry/w/bus/b/request/first", 1, false, slow)
	eventually(t, "the slow request reaches the device", func() bool { return d.requests() == 1 })
	p := newPeer5(t, broker.Addr)
	short, long := uint32(1), uint32(60)
	p.publish("modferry/w/bus/b/request/me", 1, `{"id":2,"unit":1,"function":6,"address":1,"values":[2]}`, paho.PublishProperties{MessageExpiry: &short})
	p.publish("modferry/w/bus/b/request/me", 1, `{"id":3,"unit":1,"function":6,"address":1,"values":[3]}`, paho.PublishProperties{MessageExpiry: &long})
	time.Sleep(1200 * time.Millisecond) // the expiry is in whole seconds
	close(d.hold)
	includes(t, string(held.Next(patience).Payload), `{"id":1,"ok":true}`)
	for range 2 {
		reply := string(in.Next(patience).Payload)
		if strings.Contains(reply, `"id":2`) {
			includes(t, reply, `{"id":2,"ok":false,"outcome":"refused","error":{"code":"expired","exception":6}}`)
		} else {
			includes(t, reply, `{"id":3,"ok":true,"outcome":"done"}`)
		}
	}
	if n := d.requests(); n != 2 {
		t.Errorf("%d requests reached the device, want the slow one and the one that lasts", n)
	}
}

// What apps of either version see does not depend on the gateway's version.
func TestMQTT5AnswersAsMQTT311Does(t *testing.T) {
	d := newDevice(t)
	broker, app := start5(t, d)
	repliesInForm(t, app)
	before := d.requests()
	in := app.Subscribe("abc", 2)
	p := newPeer5(t, broker.Addr, "abc")
	const n = 100
	requests, replies, heard := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range n {
		request, reply := fmt.Sprintf("01040%03X0001", i), fmt.Sprintf("0104020%03X", i)
		if i%2 == 0 {
			app.Publish("abc", byte(i%3), false, request)
		} else {
			p.publish("abc", byte(i%3), request, paho.PublishProperties{})
		}
		for range 2 {
			m := in.Next(patience)
			if string(m.Payload) == request {
				requests[request]++
			} else {
				replies[string(m.Payload)]++
			}
		}
		for range 2 - i%2 { // it does not hear its own request
			heard[string(p.next().Payload)]++
		}
		if requests[request] != 1 || replies[reply] != 1 || heard[reply] != 1 {
			t.Fatalf("request %s came %d times, reply %s %d and %d times", request, requests[request], reply, replies[reply], heard[reply])
		}
	}
	for range 20 { // a reply with the bytes of its request
		app.Publish("abc", 2, false, "010600010001")
		in.Next(patience)
		in.Next(patience)
	}
	in.Quiet(100 * time.Millisecond)
	if got := d.requests() - before; got != n+20 {
		t.Errorf("%d requests reached the device, want %d", got, n+20)
	}
	t.Logf("%d requests on a shared topic, by apps of both versions: each answered once", n+20)
}
