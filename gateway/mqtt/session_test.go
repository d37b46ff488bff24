package mqtt_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("12") // they wait most of the time
	}
	goleak.VerifyTestMain(m)
}

const patience = 10 * time.Second

// run keeps a session of a gateway that answers each request with its echo; end stops it.
func run(t *testing.T, url string, change func(*mqtt.Options)) (s *mqtt.Session, end func()) {
	t.Helper()
	o := mqtt.Options{
		URL: url, ClientID: "gateway", KeepAlive: 30 * time.Second, QoS: 1, Status: "w/status",
		Topics: []string{"w/request", "w/request/+"}, Events: 100, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	o.Handle = func(m mqtt.Message) {
		m.Ack()
		s.Publish(mqtt.Event{Topic: "w/response", Payload: append([]byte("re: "), m.Payload...)})
	}
	if change != nil {
		change(&o)
	}
	s = mqtt.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	end = func() { cancel(); running.Wait() }
	t.Cleanup(end)
	return s, end
}

func next(t *testing.T, in *gatewaytest.Inbox, want string) {
	t.Helper()
	if m := in.Next(patience); string(m.Payload) != want {
		t.Fatalf("%s is %q, want %q", m.Topic, m.Payload, want)
	}
}

func TestBirthAndGoodbye(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	status, response := app.Subscribe("w/status", 1), app.Subscribe("w/response", 1)
	s, end := run(t, broker.URL(), nil)
	next(t, status, "online")
	app.Publish("w/request/me", 2, false, "1")
	next(t, response, "re: 1")
	s.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("last words")})
	end()
	next(t, response, "last words")
	next(t, status, "offline")
	late := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	if m := late.Subscribe("w/status", 1).Next(patience); string(m.Payload) != "offline" || !m.Retained {
		t.Errorf("status after the end: %+v", m)
	}
}

// cable is a TCP proxy that can be cut.
type cable struct {
	net.Listener
	to    string
	mu    sync.Mutex
	conns []net.Conn
	held  bool // no new connections
}

// hold refuses connections, or stops refusing them.
func (c *cable) hold(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = on
}

func (c *cable) refuses() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l, to: to}
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil || c.refuses() {
				if err == nil {
					far.Close()
				}
				near.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, near, far)
			c.mu.Unlock()
			carrying.Go(func() { _, _ = io.Copy(near, far); near.Close() })
			carrying.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); c.cut(); carrying.Wait() })
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func TestWillWhenTheConnectionIsCut(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	line := newCable(t, broker.Addr)
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	status, response := app.Subscribe("w/status", 1), app.Subscribe("w/response", 1)
	run(t, "tcp://"+line.Addr().String(), nil)
	for i := range 10 {
		next(t, status, "online")
		app.Publish("w/request", 1, false, fmt.Sprint(i))
		want := fmt.Sprintf("re: %d", i) // the one before may come again: QoS 1 is at least once
		response.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == want })
		line.cut()
		next(t, status, "offline")
	}
	next(t, status, "online")
}

// Rows 21 and 30 of the known failures, for brokers that forget everything.
func TestRow21And30BrokerKilledAndBackWithoutMemory(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	s, _ := run(t, broker.URL(), nil)
	s.Retain(mqtt.State{Topic: "w/temperature", Payload: []byte("20.5")})
	for i := range 5 {
		app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
		next(t, app.Subscribe("w/temperature", 1), "20.5")
		next(t, app.Subscribe("w/status", 1), "online")
		response := app.Subscribe("w/response", 1)
		app.Publish("w/request", 1, false, fmt.Sprint(i))
		next(t, response, fmt.Sprintf("re: %d", i))
		app.Close()
		broker.Kill()
		s.Publish(mqtt.Event{Topic: "w/missed", Payload: []byte("queued while the broker was away")})
		broker.Restart()
	}
}

func TestEventsWaitForTheBrokerInOrder(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	response := app.Subscribe("w/response", 1)
	s, _ := run(t, broker.URL(), nil)
	for i := range 100 { // most of them before there is a connection
		s.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
	}
	for i := range 100 {
		next(t, response, fmt.Sprint(i))
	}
}

func TestRefusedLoginAndSubscriptionSayWhy(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Users: map[string]string{"w": "secret"}, ACL: "user w\ntopic readwrite w/#\n"})
	for _, c := range []struct {
		name, want string
		change     func(*mqtt.Options)
	}{
		{"wrong password", "not Authorized", func(o *mqtt.Options) { o.Username, o.Password = "w", "wrong" }},
		{"nobody there", "connection refused", func(o *mqtt.Options) { o.URL = "tcp://127.0.0.1:1" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := make(chan error, 1)
			run(t, broker.URL(), func(o *mqtt.Options) {
				c.change(o)
				o.Failed = func(err error) {
					select {
					case failed <- err:
					default:
					}
				}
			})
			select {
			case err := <-failed:
				if !containsFold(err.Error(), c.want) {
					t.Errorf("error %q, want one with %q", err, c.want)
				}
			case <-time.After(patience):
				t.Error("nothing was said")
			}
		})
	}
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
