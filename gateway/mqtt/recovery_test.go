package mqtt_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

var (
	kills     = flag.Int("kills", 20, "how often the broker is killed")
	takeovers = flag.Int("takeovers", 100, "how many sessions are taken over in all, and how often a will comes late")
)

func versions(t *testing.T, test func(t *testing.T, v mqtt.Version)) {
	t.Helper()
	t.Parallel()
	for name, v := range map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, v) })
	}
}

// Row 21 of the known failures: after each kill of the broker the session is there,
// subscribed and answering.
func TestRow21BrokerKilledManyTimes(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
		s, _ := run(t, broker.URL(), with(v, lasting(time.Minute, "")))
		connected(t, s)
		var took []time.Duration
		for i := range *kills {
			broker.Restart()
			began := time.Now()
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			response := app.Subscribe("w/response", 1)
			status := app.Subscribe("w/status", 1)
			next(t, status, "online")
			app.Publish("w/request", 1, false, fmt.Sprint(i))
			response.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == fmt.Sprintf("re: %d", i) })
			took = append(took, time.Since(began))
			app.Close()
		}
		slices.Sort(took)
		t.Logf("%d of %d kills survived; until the answer: median %v, at most %v", len(took), *kills,
			took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	})
}

// retained returns what the broker keeps on a topic.
func retained(t *testing.T, url, topic string) string {
	t.Helper()
	app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
	defer app.Close()
	return string(app.Subscribe(topic, 1).Next(patience).Payload)
}

// Row 22 of the known failures: a will that comes late, or a second client with the
// same id that comes and goes, does not leave the status at offline.
func TestRow22StatusEndsOnline(t *testing.T) {
	const gateways = 5 // at a time: each lets the other client be for a while
	versions(t, func(t *testing.T, v mqtt.Version) {
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
		lateWills(t, broker.URL(), v)
		each := max(1, *takeovers/2/gateways)
		began := time.Now()
		var taking sync.WaitGroup
		for i := range gateways {
			id := fmt.Sprint("gateway", i)
			s, _ := run(t, broker.URL(), with(v, func(o *mqtt.Options) { o.ClientID, o.Status = id, id+"/status" }))
			connected(t, s)
			taking.Go(func() { takeOver(t, broker.URL(), id, s, each) })
		}
		taking.Wait()
		for i := range gateways {
			await(t, "correction", func() bool { return retained(t, broker.URL(), fmt.Sprint("gateway", i, "/status")) == "online" })
		}
		t.Logf("%d takeovers of %d gateways within %v: every status ends online", gateways*each, gateways, time.Since(began).Round(time.Millisecond))
	})
}

func lateWills(t *testing.T, url string, v mqtt.Version) {
	t.Helper()
	s, _ := run(t, url, with(v))
	connected(t, s)
	app := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
	status := app.Subscribe("w/status", 1)
	next(t, status, "online")
	app.Publish("w/status", 1, true, "offline") // the first is corrected at once
	next(t, status, "offline")
	next(t, status, "online")
	for range *takeovers {
		app.Publish("w/status", 1, true, "offline")
	}
	await(t, "correction", func() bool { return retained(t, url, "w/status") == "online" })
}

// takeOver connects with the client id of a session: with a will that says offline when
// the session comes back, or one that goes in order.
func takeOver(t *testing.T, url, id string, s *mqtt.Session, times int) {
	for done := 0; done < times; {
		before := s.Status().Connects
		other, err := gatewaytest.Connect(t, url, gatewaytest.ClientOptions{ID: id, Configure: func(o *paho.ClientOptions) {
			if done%2 == 0 {
				o.SetWill(id+"/status", "offline", 1, true)
			}
		}})
		if err == nil { // else the session was faster
			if done++; done%2 == 0 {
				other.Close()
			}
		}
		for end := time.Now().Add(patience); s.Status().Connects == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s does not come back", id)
				return
			}
		}
	}
}

// Two gateways of one name do not drive each other, or the broker, mad.
func TestRow22NoStormBetweenTwoOfOneName(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		const d = 3 * time.Second
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
		app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
		status := app.Subscribe("w/status", 1)
		for _, same := range []bool{false, true} {
			var ends []func()
			for i := range 2 {
				_, end := run(t, broker.URL(), with(v, func(o *mqtt.Options) {
					if !same {
						o.ClientID = fmt.Sprint("gateway", i)
					}
				}))
				ends = append(ends, end)
			}
			time.Sleep(d)
			n := len(status.Messages())
			t.Logf("the same client id %t: %d messages on the status topic within %v", same, n, d)
			if n > 60 {
				t.Error("that is a storm")
			}
			for _, end := range ends {
				end()
			}
			for len(status.Messages()) > 0 {
				<-status.Messages()
			}
		}
	})
}

// mosquitto 2.0.11 closes the connection that is taken over without a word.
func TestTakeoverIsNamedAndBacksOff(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failed := make(chan error, 100)
	gateway, _ := run(t, s.url(), with(mqtt.V5, func(o *mqtt.Options) { o.Failed = func(err error) { failed <- err } }))
	var gaps []time.Duration
	for range 6 {
		connected(t, gateway)
		before := gateway.Status().Connects
		lost := time.Now()
		other := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{ID: "gateway"})
		if err := within(t, failed); !strings.Contains(err.Error(), `another client uses the client id "gateway"`) {
			t.Fatalf("%v", err)
		}
		await(t, "next connection", func() bool { return gateway.Status().Connects > before })
		gaps = append(gaps, time.Since(lost))
		other.Close()
	}
	if gaps[5] < time.Second {
		t.Errorf("it comes back after %v", gaps)
	}
}

// MQTT 3.1.1 does not say that another client has taken over, but it looks like that.
func TestTakeoverIsSuspectedAndBacksOff(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	const words = `another client probably uses the client id "gateway"`
	failed := make(chan error, 100)
	logged := &warnings{}
	gateway, _ := run(t, s.url(), with(mqtt.V311, func(o *mqtt.Options) {
		o.Failed = func(err error) { failed <- err }
		o.Logger = slog.New(slog.NewTextHandler(logged, nil))
	}))
	var gaps []time.Duration
	for i := range 8 {
		connected(t, gateway)
		before := gateway.Status().Connects
		lost := time.Now()
		other := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{ID: "gateway"})
		if err := within(t, failed); strings.Contains(err.Error(), words) != (i >= 4) {
			t.Errorf("loss %d: %v", i+1, err)
		}
		await(t, "next connection", func() bool { return gateway.Status().Connects > before })
		gaps = append(gaps, time.Since(lost))
		other.Close()
	}
	if gaps[7] < time.Second {
		t.Errorf("it comes back after %v", gaps)
	}
	if n := logged.count(words); n != 1 {
		t.Errorf("it is said %d times, want once in a minute", n)
	}
}

// warnings is what a log has.
type warnings struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *warnings) count(words string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(strings.ReplaceAll(w.text.String(), `\"`, `"`), words)
}

// A message that is not acknowledged does not keep the connection from living.
func TestRow20KeepAliveWhileMessagesWait(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		in := make(chan mqtt.Message, 100)
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
		s, _ := run(t, broker.URL(), with(v, collect(in), func(o *mqtt.Options) { o.KeepAlive = 4 * time.Second }))
		connected(t, s)
		app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
		for range 20 {
			app.Publish("w/request", 1, false, "x")
		}
		time.Sleep(8 * time.Second) // the broker ends a connection after 6 s of silence
		if st := s.Status(); st.Connects != 1 || !st.Connected || len(in) != 20 {
			t.Errorf("%+v, %d messages", st, len(in))
		}
	})
}

// silent accepts connections and answers the first packet of each with answer.
func silent(t *testing.T, answer string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() {
				if n, _ := c.Read(make([]byte, 4096)); n > 0 {
					_, _ = io.WriteString(c, answer)
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return "tcp://" + l.Addr().String()
}

// endsSoon ends a session, or has it go over to another broker, and reports how long that took.
func endsSoon(t *testing.T, end func()) {
	t.Helper()
	began := time.Now()
	end()
	if took := time.Since(began); took > 5500*time.Millisecond {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("it took %v", took.Round(time.Millisecond))
	}
}

const (
	connack3 = "\x20\x02\x00\x00"
	connack5 = "\x20\x03\x00\x00\x00"
)

// The session ends within seconds whatever it is about.
func TestEndInEveryPhase(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		connack := connack3
		if v == mqtt.V5 {
			connack = connack5
		}
		phase := func(name string, test func(t *testing.T)) { t.Run(name, func(t *testing.T) { t.Parallel(); test(t) }) }
		phase("nobody answers the CONNECT", func(t *testing.T) {
			connecting := make(chan struct{}, 1)
			_, end := run(t, silent(t, ""), with(v, func(o *mqtt.Options) { o.Connecting = func() { connecting <- struct{}{} } }))
			<-connecting
			time.Sleep(50 * time.Millisecond)
			endsSoon(t, end)
		})
		phase("nobody answers the SUBSCRIBE", func(t *testing.T) {
			_, end := run(t, silent(t, connack), with(v, lasting(time.Minute, "")))
			time.Sleep(50 * time.Millisecond)
			endsSoon(t, end)
		})
		phase("pause before the next try", func(t *testing.T) {
			failed := make(chan error, 100)
			_, end := run(t, "tcp://127.0.0.1:1", with(v, func(o *mqtt.Options) { o.Failed = func(err error) { failed <- err } }))
			for range 4 {
				_ = within(t, failed)
			}
			endsSoon(t, end)
		})
		for name, size := range map[string]int{"small": 100, "large": 200_000} {
			phase("publishing into a black hole, "+name, func(t *testing.T) {
				broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
				line := gatewaytest.Toxiproxy(t, broker.Addr)
				s, end := run(t, "tcp://"+line.Addr, with(v, func(o *mqtt.Options) { o.Events = 1000 }))
				connected(t, s)
				line.Blackhole(gatewaytest.Up)
				line.Blackhole(gatewaytest.Down)
				for range 300 {
					s.Publish(mqtt.Event{Topic: "w/response", Payload: make([]byte, size)})
				}
				time.Sleep(300 * time.Millisecond)
				endsSoon(t, end)
			})
		}
		phase("reconfigured in a black hole", func(t *testing.T) {
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
			line := gatewaytest.Toxiproxy(t, broker.Addr)
			var o mqtt.Options
			s, _ := run(t, "tcp://"+line.Addr, with(v, func(given *mqtt.Options) { given.Events = 1000; o = *given }))
			connected(t, s)
			line.Blackhole(gatewaytest.Up)
			for i := range 200 {
				s.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
			}
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			response := app.Subscribe("w/response", 1)
			o.URL = broker.URL()
			endsSoon(t, func() { s.Reconfigure(o); await(t, "connection", func() bool { return s.Status().Connects == 2 }) })
			inOrder(t, response, 200, 2)
		})
	})
}

// What brokers answer to a CONNECT is said in words.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v            mqtt.Version
		answer, want string
	}{
		"5, an old broker":          {mqtt.V5, "\x20\x02\x00\x01", `does not speak MQTT 5: set mqtt.version to "3.1.1"`},
		"5, unsupported version":    {mqtt.V5, "\x20\x03\x00\x84\x00", `does not speak MQTT 5 (unsupported protocol version): set mqtt.version to "3.1.1"`},
		"5, client id":              {mqtt.V5, "\x20\x03\x00\x85\x00", `refuses the client id "gateway" (client identifier not valid): set another with mqtt.client_id`},
		"5, password":               {mqtt.V5, "\x20\x03\x00\x86\x00", "bad user name or password, says the broker: check mqtt.username"},
		"5, not authorized":         {mqtt.V5, "\x20\x03\x00\x87\x00", "not authorized, says the broker"},
		"5, banned, with words":     {mqtt.V5, "\x20\x0b\x00\x8a\x08\x1f\x00\x05until", "banned"},
		"3.1.1, version":            {mqtt.V311, "\x20\x02\x00\x01", `does not speak MQTT 3.1.1: set mqtt.version to "5"`},
		"3.1.1, client id":          {mqtt.V311, "\x20\x02\x00\x02", `refuses the client id "gateway"`},
		"3.1.1, not available":      {mqtt.V311, "\x20\x02\x00\x03", "not available now"},
		"3.1.1, password":           {mqtt.V311, "\x20\x02\x00\x04", "bad user name or password"},
		"3.1.1, not authorized":     {mqtt.V311, "\x20\x02\x00\x05", "not authorized"},
		"3.1.1, a broker of MQTT 5": {mqtt.V311, "\x20\x03\x00\x84\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 100)
			run(t, silent(t, c.answer), with(c.v, func(o *mqtt.Options) { o.Failed = func(err error) { failed <- err } }))
			if err := within(t, failed); !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want %q", err, c.want)
			}
		})
	}
}

func TestRefusedTopics(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		// mosquitto 2.0.11 grants every subscription of an MQTT 3.1.1 client; the rest is NATS' and others' way
		broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{
			Users: map[string]string{"w": "secret", "app": "secret"},
			ACL:   "user w\ntopic readwrite w/status\ntopic write w/response\ntopic read w/request\nuser app\ntopic readwrite #\n",
		})
		app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{User: "app", Password: "secret"})
		response := app.Subscribe("w/#", 1)
		s, _ := run(t, broker.URL(), with(v, func(o *mqtt.Options) { o.Username, o.Password = "w", "secret"; o.Topics = []string{"w/request"} }))
		connected(t, s)
		s.Publish(mqtt.Event{Topic: "w/forbidden", Payload: []byte("no")})
		s.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("yes")})
		response.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "yes" })
		if v == mqtt.V5 {
			await(t, "count of the refused", func() bool {
				s.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("x")})
				return s.Status().Dropped > 0
			})
		}
		if st := s.Status(); st.Connects != 1 || !st.Connected {
			t.Errorf("%+v", st)
		}
	})
}

// A subscription that the broker refuses is named.
func TestRefusedSubscriptionIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		v               mqtt.Version
		connack, suback string
	}{
		"3.1.1": {mqtt.V311, connack3, "\x90\x05\x00\x01\x80\x80\x80"},
		"5":     {mqtt.V5, connack5, "\x90\x06\x00\x01\x00\x87\x87\x87"},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 100)
			run(t, refusing(t, c.connack, c.suback), with(c.v, func(o *mqtt.Options) { o.Failed = func(err error) { failed <- err } }))
			if err := within(t, failed); !strings.Contains(err.Error(), "the broker refuses the topic w/request") || !strings.Contains(err.Error(), "check its access rules") {
				t.Error(err)
			}
		})
	}
}

// refusing answers the second packet, too.
func refusing(t *testing.T, first, second string) (url string) {
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
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, first)
			for in := make([]byte, 4096); ; {
				n, err := c.Read(in)
				if err != nil {
					break
				}
				if bytes.IndexByte(in[:n], 0x82) >= 0 { // SUBSCRIBE, perhaps after a ping
					_, _ = io.WriteString(c, second)
				}
			}
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "tcp://" + l.Addr().String()
}
