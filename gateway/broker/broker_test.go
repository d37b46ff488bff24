package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/gatewaytest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

const soon = 5 * time.Second

// running is a broker that serves until the test ends.
type running struct {
	*Broker
	address string // host:port
	tcp, ws string // URLs
	stop    func() // ends it early, and waits
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	pages := httptest.NewServer(b.WebSocket())
	r := &running{Broker: b, address: b.Addr().String(), tcp: "tcp://" + b.Addr().String(), ws: "ws" + strings.TrimPrefix(pages.URL, "http") + "/mqtt"}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(soon):
			t.Error("Run does not end")
		}
		pages.Close()
	}
	t.Cleanup(r.stop)
	return r
}

func TestMessagesAtEveryQoSOverTCPAndWebSocket(t *testing.T) {
	b := run(t, Options{})
	for _, url := range []string{b.tcp, b.ws} {
		for _, version := range []uint{3, 4} {
			c := gatewaytest.Client(t, url, gatewaytest.ClientOptions{Version: version})
			for qos := byte(0); qos <= 2; qos++ {
				topic := fmt.Sprintf("q/%d", qos)
				box := c.Subscribe(topic, qos)
				for i := range 10 {
					c.Publish(topic, qos, false, fmt.Sprint(i))
				}
				for i := range 10 {
					if m := box.Next(soon); string(m.Payload) != fmt.Sprint(i) || m.QoS != qos || m.Retained {
						t.Fatalf("%s QoS %d message %d: got %+v", url, qos, i, m)
					}
				}
			}
		}
	}
}

func TestRetainedMessages(t *testing.T) {
	b := run(t, Options{})
	c := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	for topic, qos := range map[string]byte{"room": 1, "room/temperature": 2, "$other/room": 0} {
		c.Publish(topic, qos, true, topic)
	}
	for filter, want := range map[string][]string{
		"room":   {"room"},
		"room/+": {"room/temperature"},
		"room/#": {"room/temperature", "room"}, // [MQTT-4.7.1-2]
		"+":      {"room"},
	} {
		box := gatewaytest.Client(t, b.ws, gatewaytest.ClientOptions{}).Subscribe(filter, 2)
		for range want {
			if m := box.Next(soon); !slices.Contains(want, m.Topic) || !m.Retained || string(m.Payload) != m.Topic {
				t.Errorf("%s: got %+v, want %s", filter, m, want)
			}
		}
		box.Quiet(20 * time.Millisecond)
	}
	c.Publish("room", 1, true, "")
	gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Subscribe("room", 1).Quiet(20 * time.Millisecond)
}

func TestResumedSessionGetsWhatItMissed(t *testing.T) {
	b := run(t, Options{})
	session := gatewaytest.ClientOptions{ID: "phone", Persistent: true}
	first := gatewaytest.Client(t, b.tcp, session)
	first.Subscribe("news", 2)
	first.Close()
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	missed := map[string]bool{}
	for i := range 50 {
		payload := fmt.Sprint(i)
		sender.Publish("news", byte(1+i%2), false, payload)
		missed[payload] = true
	}
	sender.Publish("news", 0, false, "not kept at QoS 0")
	sender.Publish("nobody", 1, false, "") // so that the one before was routed
	again := gatewaytest.Client(t, b.ws, session)
	for len(missed) > 0 {
		m := again.Resumed.Next(soon)
		if !missed[string(m.Payload)] {
			t.Fatalf("twice, or never sent: %+v", m)
		}
		delete(missed, string(m.Payload))
	}
	sender.Publish("news", 2, false, "live")
	if m := again.Resumed.Next(soon); string(m.Payload) != "live" {
		t.Errorf("got %+v", m)
	}
	again.Close()
	clean := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "phone"})
	sender.Publish("news", 2, false, "after a clean session")
	clean.Resumed.Quiet(20 * time.Millisecond)
}

func TestAnonymousBrokerAcceptsAnyCredentials(t *testing.T) {
	b := run(t, Options{})
	for _, o := range []gatewaytest.ClientOptions{{User: "ann", Password: "secret"}, {User: "ann"}, {}} {
		for _, url := range []string{b.tcp, b.ws} {
			if _, err := gatewaytest.Connect(t, url, o); err != nil {
				t.Errorf("%s as %q: %v", url, o.User, err)
			}
		}
	}
}

func TestUsers(t *testing.T) {
	b := run(t, Options{Users: map[string]User{
		"ann": {Password: "secret", Topics: []string{"ann/#"}},
		"bob": {Password: "other", Topics: []string{"#"}},
	}})
	for _, o := range []gatewaytest.ClientOptions{
		{}, {User: "ann"}, {User: "ann", Password: "secre"}, {User: "ann", Password: "secrets"},
		{User: "ann", Password: "other"}, {User: "eve", Password: "secret"}, {User: "Ann", Password: "secret"},
	} {
		for _, url := range []string{b.tcp, b.ws} {
			if _, err := gatewaytest.Connect(t, url, o); err == nil {
				t.Errorf("%q with password %q was accepted", o.User, o.Password)
			}
		}
	}
	ann := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{User: "ann", Password: "secret", ID: "ann", Persistent: true})
	all := gatewaytest.Client(t, b.ws, gatewaytest.ClientOptions{User: "bob", Password: "other"}).Subscribe("#", 1)
	for qos := byte(0); qos <= 2; qos++ {
		ann.Publish("announcements", qos, true, "not allowed")
		ann.Publish("ann/a", qos, true, "allowed")
		if m := all.Next(soon); m.Topic != "ann/a" {
			t.Errorf("QoS %d: got %+v", qos, m)
		}
	}
	if _, err := gatewaytest.Connect(t, b.tcp, gatewaytest.ClientOptions{ID: "ann", User: "bob", Password: "other"}); err == nil {
		t.Error("bob took over the session of ann")
	}
}

func TestUnusableOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no password":        {Users: map[string]User{"ann": {Topics: []string{"#"}}}},
		"no topics":          {Users: map[string]User{"ann": {Password: "x"}}},
		"no name":            {Users: map[string]User{"": {Password: "x", Topics: []string{"#"}}}},
		"not a filter":       {Users: map[string]User{"ann": {Password: "x", Topics: []string{"a/#/b"}}}},
		"half a wildcard":    {Users: map[string]User{"ann": {Password: "x", Topics: []string{"a+"}}}},
		"an impossible port": {Listen: "127.0.0.1:99999"},
	} {
		if b, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = b.Run(ctx)
		}
	}
}

func TestEndWithoutHavingServed(t *testing.T) {
	b, err := New(Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Error(err)
	}
	again, err := New(Options{Listen: b.Addr().String()})
	if err != nil {
		t.Fatalf("the port is not free again: %v", err)
	}
	_ = again.Run(ctx)
	if only, err := New(Options{}); err != nil || only.Addr() != nil {
		t.Errorf("WebSocket only: address %v, error %v", only.Addr(), err)
	}
}

func TestClientsAreToldWhenItEnds(t *testing.T) {
	b := run(t, Options{})
	five := dial(t, b.Addr().String())
	five.connect(t, connectPacket{version: 5, clean: true})
	four := dial(t, b.Addr().String())
	four.connect(t, connectPacket{version: 4, clean: true})
	silent := dial(t, b.Addr().String())
	lost := make(chan error, 1)
	browser := gatewaytest.Client(t, b.ws, gatewaytest.ClientOptions{Configure: onLost(lost)})
	b.stop()
	if pk := five.next(t); pk.kind != 14 || pk.body[0] != 0x8B {
		t.Errorf("MQTT 5 got %+v, want DISCONNECT because the server shuts down", pk)
	}
	for name, c := range map[string]*raw{"MQTT 5": five, "MQTT 3.1.1": four, "not connected yet": silent} {
		if err := c.end(); err != nil {
			t.Errorf("%s: connection not closed in order: %v", name, err)
		}
	}
	select {
	case err := <-lost:
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Error("the WebSocket client was not disconnected")
	}
	browser.Close()
}

// Clients that come and go just while the broker stops do not keep it from ending.
func TestStopWhileClientsComeAndGo(t *testing.T) {
	for range 10 {
		b := run(t, Options{})
		var coming sync.WaitGroup
		for i := range 4 {
			coming.Go(func() {
				for {
					c, err := net.Dial("tcp", b.Addr().String())
					if err != nil {
						return
					}
					_, _ = c.Write(connectPacket{version: 4, id: fmt.Sprint("c", i%2)}.bytes())
					_, _ = c.Read(make([]byte, 4)) // it may be closed before
					_ = c.Close()
				}
			})
		}
		for b.Stats().Connects < 20 {
			runtime.Gosched()
		}
		b.stop()
		coming.Wait()
	}
}
