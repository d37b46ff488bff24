package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	pahov5 "github.com/eclipse/paho.golang/paho"
	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

// echoing answers requests on bench/request until end.
type echoing func(b *testing.B, addr string) (end func())

func sessionEcho(v mqtt.Version, q byte) echoing {
	return func(b *testing.B, addr string) func() {
		var s *mqtt.Session
		online := make(chan struct{}, 1)
		s = mqtt.New(mqtt.Options{
			URL: "mqtt://" + addr, Version: v, ClientID: "gateway", QoS: q, Topics: []string{"bench/request"}, Events: 1000, Logger: slog.New(slog.DiscardHandler),
			Handle: func(m mqtt.Message) { s.Publish(mqtt.Event{Topic: "bench/response", Payload: m.Payload}); m.Ack() },
			Online: func() { online <- struct{}{} },
		})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		<-online
		return func() { cancel(); running.Wait() }
	}
}

// bareV3 and bareV5 do it with the libraries alone.
func bareV3(q byte) echoing {
	return func(b *testing.B, addr string) func() {
		c := gatewaytest.Client(b, "tcp://"+addr, gatewaytest.ClientOptions{})
		t := c.Client.Subscribe("bench/request", 2, func(c paho.Client, m paho.Message) { c.Publish("bench/response", q, false, m.Payload()) })
		if t.Wait(); t.Error() != nil {
			b.Fatal(t.Error())
		}
		return c.Close
	}
}

func bareV5(q byte) echoing {
	return func(b *testing.B, addr string) func() {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		c := pahov5.NewClient(pahov5.ClientConfig{Conn: conn, OnPublishReceived: []func(pahov5.PublishReceived) (bool, error){
			func(r pahov5.PublishReceived) (bool, error) {
				_, err := r.Client.PublishWithOptions(context.Background(), &pahov5.Publish{Topic: "bench/response", QoS: q, Payload: r.Packet.Payload}, pahov5.PublishOptions{Method: pahov5.PublishMethod_AsyncSend})
				return true, err
			},
		}})
		if _, err := c.Connect(context.Background(), &pahov5.Connect{ClientID: "bare", CleanStart: true, KeepAlive: 30}); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Subscribe(context.Background(), &pahov5.Subscribe{Subscriptions: []pahov5.SubscribeOptions{{Topic: "bench/request", QoS: 2}}}); err != nil {
			b.Fatal(err)
		}
		return func() { _ = c.Disconnect(&pahov5.Disconnect{}) }
	}
}

// BenchmarkEcho sends requests to a session and to a bare library that answer at once,
// one at a time and with 32 on their way.
func BenchmarkEcho(b *testing.B) {
	addr := gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{NoDelay: true}).Addr
	for _, q := range []byte{0, 1} {
		for _, who := range []struct {
			name string
			echo echoing
		}{
			{"bare 3.1.1", bareV3(q)}, {"session 3.1.1", sessionEcho(mqtt.V311, q)},
			{"bare 5", bareV5(q)}, {"session 5", sessionEcho(mqtt.V5, q)},
		} {
			for _, outstanding := range []int{1, 16} {
				b.Run(fmt.Sprintf("QoS %d/%d outstanding/%s", q, outstanding, who.name), func(b *testing.B) {
					end := who.echo(b, addr)
					defer end()
					app := gatewaytest.Client(b, "tcp://"+addr, gatewaytest.ClientOptions{})
					defer app.Close()
					response := app.Subscribe("bench/response", q)
					b.ReportAllocs()
					b.ResetTimer()
					for i := range b.N + outstanding {
						if i < b.N {
							app.Client.Publish("bench/request", q, false, "0123456789")
						}
						if i >= outstanding {
							response.Next(patience)
						}
					}
				})
			}
		}
	}
}
