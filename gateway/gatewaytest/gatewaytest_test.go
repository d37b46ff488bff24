package gatewaytest

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 5 * time.Second

func TestMosquittoCarriesMessages(t *testing.T) {
	s := Mosquitto(t, MosquittoOptions{NoDelay: true, WebSocket: true})
	for _, url := range []string{s.URL(), s.WSURL()} {
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

func TestMosquittoRestartsWithItsSessions(t *testing.T) {
	s := Mosquitto(t, MosquittoOptions{Persistent: true})
	Client(t, s.URL(), ClientOptions{}).Publish("kept", 1, true, "x")
	waiting := Client(t, s.URL(), ClientOptions{ID: "waiting", Persistent: true})
	waiting.Subscribe("queue", 1)
	waiting.Close()
	Client(t, s.URL(), ClientOptions{}).Publish("queue", 1, false, "later")
	s.Stop()
	s.Restart()
	if m := Client(t, s.URL(), ClientOptions{}).Subscribe("kept", 1).Next(soon); string(m.Payload) != "x" || !m.Retained {
		t.Errorf("retained message: got %+v", m)
	}
	again := Client(t, s.URL(), ClientOptions{ID: "waiting", Persistent: true})
	if m := again.Resumed.Next(soon); string(m.Payload) != "later" {
		t.Errorf("queued message: got %+v", m)
	}
}

func TestMosquittoClientsComeBackAfterAKill(t *testing.T) {
	s := Mosquitto(t, MosquittoOptions{})
	c := Client(t, s.URL(), ClientOptions{Reconnect: true, Persistent: true})
	box := c.Subscribe("a", 1)
	s.Restart()
	other := Client(t, s.URL(), ClientOptions{})
	deadline := time.Now().Add(2 * soon)
	for {
		other.Publish("a", 1, false, "x")
		select {
		case <-box.Messages():
			return
		case <-c.Resumed.Messages():
			return
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the client did not subscribe again")
		}
	}
}

func TestMosquittoChecksUsers(t *testing.T) {
	s := Mosquitto(t, MosquittoOptions{
		Users: map[string]string{"ann": "secret"},
		ACL:   "user ann\ntopic readwrite mine/#\n",
	})
	if _, err := Connect(t, s.URL(), ClientOptions{User: "ann", Password: "wrong"}); err == nil {
		t.Error("a wrong password was accepted")
	}
	c := Client(t, s.URL(), ClientOptions{User: "ann", Password: "secret"})
	all := c.Subscribe("#", 1)
	c.Publish("other", 1, false, "x")
	c.Publish("mine/a", 1, false, "y")
	if m := all.Next(soon); m.Topic != "mine/a" {
		t.Errorf("got %+v", m)
	}
}

func TestPTYPairIsANullModem(t *testing.T) {
	a, b := PTYPair(t)
	first, second := open(t, a), open(t, b)
	for name, ends := range map[string][2]*os.File{"a to b": {first, second}, "b to a": {second, first}} {
		want := "\x00\x03\x04\r\n\x11\x13\x7f\xff"
		if _, err := ends[0].WriteString(want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, want)
		}
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestProcessLinesAndExit(t *testing.T) {
	p := StartProgram(t, Need(t, "sh"), "-c", "trap 'echo bye; exit 3' TERM; echo ready >&2; echo listening on 5; while :; do sleep 0.01; done")
	p.ErrorLine("ready")
	if got := p.Line("listening"); got != "listening on 5" {
		t.Errorf("got %q", got)
	}
	if code := p.Stop(); code != 3 || !strings.HasSuffix(p.Stdout(), "bye") {
		t.Errorf("exit code %d, output %q", code, p.Stdout())
	}
}
