package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

func TestNATSCarriesMessages(t *testing.T) {
	s := NATS(t, 1)
	for _, url := range []string{s.URL(0), s.WSURL(0)} {
		for qos := byte(0); qos <= 2; qos++ {
			c := Client(t, url, ClientOptions{})
			box := c.Subscribe("a/+", qos)
			c.Publish("a/b", qos, false, "x")
			if m := box.Next(soon); m.Topic != "a/b" || string(m.Payload) != "x" || m.QoS != qos {
				t.Errorf("%s QoS %d: got %+v", url, qos, m)
			}
		}
	}
}

// What is published at one node arrives at the others, and outlives the node.
func TestNATSClusterIsOne(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	s := NATS(t, 3, "js_api_timeout: 2s")
	box := Client(t, s.URL(1), ClientOptions{}).Subscribe("a", 1)
	first := Client(t, s.URL(0), ClientOptions{})
	first.Publish("a", 1, true, "x")
	if m := box.Next(soon); string(m.Payload) != "x" {
		t.Errorf("got %+v", m)
	}
	first.Close()
	s.Kill(0)
	if m := persevering(t, s.URL(2), "a"); string(m.Payload) != "x" || !m.Retained {
		t.Errorf("after the node's end: got %+v", m)
	}
	s.Restart(0)
	if m := persevering(t, s.URL(0), "a"); string(m.Payload) != "x" || !m.Retained {
		t.Errorf("from the node itself: got %+v", m)
	}
}

// persevering connects and subscribes until a retained message comes: a cluster that
// elects a leader refuses clients and subscriptions, or takes them and sends nothing.
func persevering(t *testing.T, url, filter string) Message {
	t.Helper()
	for end := time.Now().Add(6 * soon); time.Now().Before(end); {
		p, err := Connect(t, url, ClientOptions{Version: 4})
		if err != nil {
			continue
		}
		token := p.Client.Subscribe(filter, 1, nil).(*paho.SubscribeToken)
		if token.WaitTimeout(mqttTimeout) && token.Error() == nil && token.Result()[filter] <= 2 {
			select {
			case m := <-p.Resumed.Messages():
				return m
			case <-time.After(soon):
			}
		}
		p.Close()
	}
	t.Fatalf("nothing is retained at %s", url)
	return Message{}
}

// Whatever fails, no process and no port of a test is left over.
func TestServersEndWithTheirTest(t *testing.T) {
	var addresses []string
	t.Run("part", func(t *testing.T) {
		s := NATS(t, 1)
		addresses = []string{s.Addr(0), s.nodes[0].client, s.nodes[0].monitor, s.nodes[0].websocket, Toxiproxy(t, s.Addr(0)).Addr}
		for _, a := range addresses {
			dial(t, a).Close()
		}
	})
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Errorf("after the test: %v", err)
			continue
		}
		l.Close()
	}
}

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { defer c.Close(); _, _ = io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, soon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// roundTrip sends data and returns how many reads the echo took, how long it was on its way, and what went wrong.
func roundTrip(c net.Conn, data []byte, limit time.Duration) (reads int, took time.Duration, err error) {
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(limit)); err != nil {
		return 0, 0, err
	}
	if _, err := c.Write(data); err != nil {
		return 0, 0, err
	}
	back := make([]byte, 0, len(data))
	for len(back) < len(data) && err == nil {
		var n int
		n, err = c.Read(back[len(back):cap(back)])
		back, reads = back[:len(back)+n], reads+1
	}
	if err == nil && !bytes.Equal(back, data) {
		err = errors.New("the data came back changed")
	}
	return reads, time.Since(begin), err
}

func TestToxiproxyTroublesData(t *testing.T) {
	p := Toxiproxy(t, echo(t))
	data := bytes.Repeat([]byte("0123456789"), 100)
	clean := func(when string) {
		t.Helper()
		if _, _, err := roundTrip(dial(t, p.Addr), data, soon); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	clean("without trouble")

	c := dial(t, p.Addr)
	p.Latency(Up, 60*time.Millisecond, 10*time.Millisecond)
	p.Latency(Down, 60*time.Millisecond, 10*time.Millisecond)
	if _, took, err := roundTrip(c, data, soon); err != nil || took < 100*time.Millisecond {
		t.Errorf("latency: %v, %v", took, err)
	}
	p.Clear()
	p.Slice(Down, 50, 10, 2*time.Millisecond)
	if reads, _, err := roundTrip(c, data, soon); err != nil || reads < 10 {
		t.Errorf("slices: %d reads, %v", reads, err)
	}
	p.Clear()
	p.Bandwidth(Up, 10) // a kilobyte in a tenth of a second
	if _, took, err := roundTrip(c, data, soon); err != nil || took < 80*time.Millisecond {
		t.Errorf("bandwidth: %v, %v", took, err)
	}
	p.Clear()
	clean("after that")

	p.LimitData(Down, 100)
	if _, _, err := roundTrip(dial(t, p.Addr), data, soon); !errors.Is(err, io.EOF) {
		t.Errorf("limit: %v", err)
	}
	p.Clear()
	p.Reset(Down, 0)
	if _, _, err := roundTrip(dial(t, p.Addr), data, soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	p.Clear()
	p.Blackhole(Up)
	var silence net.Error
	if _, _, err := roundTrip(dial(t, p.Addr), data, 100*time.Millisecond); !errors.As(err, &silence) || !silence.Timeout() {
		t.Errorf("black hole: %v", err)
	}
	p.Clear()
	clean("at the end")
}

func TestToxiproxyTurnsClientsAway(t *testing.T) {
	p := Toxiproxy(t, echo(t))
	c := dial(t, p.Addr)
	if _, _, err := roundTrip(c, []byte("x"), soon); err != nil {
		t.Fatal(err)
	}
	p.Disable()
	if _, _, err := roundTrip(c, []byte("x"), soon); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection lives on: %v", err)
	}
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		c.Close()
		t.Error("a disabled proxy accepts")
	}
	p.Enable()
	c = dial(t, p.Addr)
	if _, _, err := roundTrip(c, []byte("x"), soon); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	p.Target(echo(t))
	if _, _, err := roundTrip(c, []byte("x"), soon); err == nil {
		t.Error("the connection to the server before lives on")
	}
	if _, _, err := roundTrip(dial(t, p.Addr), []byte("x"), soon); err != nil {
		t.Errorf("with another server: %v", err)
	}
}
