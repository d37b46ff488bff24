package broker

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// A client library of MQTT 5 asks, and another answers to its response topic.
func TestRequestAndResponseOfMQTT5(t *testing.T) {
	b := run(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	connect := func(id string, got func(*paho.Client, *paho.Publish)) *paho.Client {
		conn, err := net.Dial("tcp", b.address)
		if err != nil {
			t.Fatal(err)
		}
		var c *paho.Client
		c = paho.NewClient(paho.ClientConfig{ClientID: id, Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) { got(c, p.Packet); return true, nil },
		}})
		expiry := uint32(60)
		ack, err := c.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30, Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry}})
		if err != nil || ack.ReasonCode != 0 {
			t.Fatalf("%v, %+v", err, ack)
		}
		t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
		return c
	}
	answers := make(chan *paho.Publish, 10)
	asker := connect("asker", func(_ *paho.Client, p *paho.Publish) { answers <- p })
	answerer := connect("answerer", func(c *paho.Client, p *paho.Publish) {
		go func() { // publishing waits for an acknowledgement, which this goroutine would read
			_, _ = c.Publish(ctx, &paho.Publish{
				Topic: p.Properties.ResponseTopic, QoS: 2, Payload: append([]byte("re: "), p.Payload...),
				Properties: &paho.PublishProperties{CorrelationData: p.Properties.CorrelationData},
			})
		}()
	})
	for c, topic := range map[*paho.Client]string{asker: "answers/#", answerer: "questions"} {
		if _, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 2}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range byte(3) {
		if _, err := asker.Publish(ctx, &paho.Publish{
			Topic: "questions", QoS: i, Payload: []byte{'0' + i},
			Properties: &paho.PublishProperties{ResponseTopic: "answers/me", CorrelationData: []byte{i}},
		}); err != nil {
			t.Fatal(err)
		}
		select {
		case p := <-answers:
			if p.Topic != "answers/me" || !bytes.Equal(p.Properties.CorrelationData, []byte{i}) || string(p.Payload) != "re: "+string('0'+i) {
				t.Errorf("QoS %d: got %+v", i, p)
			}
		case <-time.After(soon):
			t.Fatalf("QoS %d: no answer", i)
		}
	}
}
