package mqtt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"modferry/gateway/broker"
	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
)

// server is a broker under test that keeps sessions on disk.
type server struct {
	addr    string
	restart func() // ends it, at once where that can be done, and starts it again
	only311 bool   // it speaks no MQTT 5
}

func (s server) url() string { return "tcp://" + s.addr }

// embedded runs the gateway's own broker.
func embedded(t *testing.T) server {
	t.Helper()
	o := broker.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()}
	var end func()
	start := func() {
		b, err := broker.New(o)
		for limit := time.Now().Add(time.Second); err != nil && time.Now().Before(limit); b, err = broker.New(o) {
			time.Sleep(time.Millisecond) // a process that another test is starting has the lock of the folder for a moment
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Listen = b.Addr().String()
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = b.Run(ctx) })
		end = func() { cancel(); running.Wait() }
	}
	start()
	t.Cleanup(func() { end() })
	return server{addr: o.Listen, restart: func() { end(); start() }}
}

func mosquitto(t *testing.T) server {
	t.Helper()
	s := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Persistent: true, NoDelay: true, Lines: []string{"autosave_on_changes true", "autosave_interval 1"}})
	return server{addr: s.Addr, restart: s.Restart}
}

// nats runs one NATS server. It does three things otherwise: it speaks no MQTT 5; it
// sends what was not acknowledged again when ack_wait is over, not with the next
// connection [MQTT-4.4.0-1]; and it closes the connection over a topic with white space,
// which is why the topics here have none.
func nats(t *testing.T) server {
	t.Helper()
	s := gatewaytest.NATS(t, 1, "ack_wait: 4s") // 30 s by default
	return server{addr: s.Addr(0), restart: func() { s.Restart(0) }, only311: true}
}

// each runs a test with each version of MQTT that each broker speaks, at the same time.
func each(t *testing.T, test func(t *testing.T, s server, v mqtt.Version)) {
	t.Helper()
	t.Parallel()
	for name, v := range map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5} {
		t.Run(name+" mosquitto", func(t *testing.T) { t.Parallel(); test(t, mosquitto(t), v) })
		t.Run(name+" embedded", func(t *testing.T) { t.Parallel(); test(t, embedded(t), v) })
	}
	if testing.Short() { // its program has to be built
		return
	}
	t.Run("3.1.1 nats", func(t *testing.T) { t.Parallel(); test(t, nats(t), mqtt.V311) })
}

// with sets the version, and what else a test wants.
func with(v mqtt.Version, more ...func(*mqtt.Options)) func(*mqtt.Options) {
	return func(o *mqtt.Options) {
		o.Version = v
		for _, change := range more {
			change(o)
		}
	}
}

func qos(q byte) func(*mqtt.Options) { return func(o *mqtt.Options) { o.QoS = q } }

// lasting makes a session that outlives its connections.
func lasting(within time.Duration, state string) func(*mqtt.Options) {
	return func(o *mqtt.Options) { o.ResumeWithin, o.State = within, state }
}

// collect gives messages to a channel and leaves their acknowledgement to the test.
func collect(to chan<- mqtt.Message) func(*mqtt.Options) {
	return func(o *mqtt.Options) { o.Handle = func(m mqtt.Message) { to <- m } }
}

func receive(t *testing.T, from <-chan mqtt.Message, want string) mqtt.Message {
	t.Helper()
	select {
	case m := <-from:
		if string(m.Payload) != want {
			t.Fatalf("%q came, want %q", m.Payload, want)
		}
		return m
	case <-time.After(patience):
		t.Fatalf("%q did not come", want)
		return mqtt.Message{}
	}
}

func connected(t *testing.T, s *mqtt.Session) {
	t.Helper()
	await(t, "a connection", func() bool { return s.Status().Connected })
}

// settle waits until the broker has what the session has acknowledged so far.
func settle(t *testing.T, s *mqtt.Session) {
	t.Helper()
	for range 2 { // acknowledgements go out after publications
		if err := s.Deliver(t.Context(), "w/barrier", nil); err != nil {
			t.Fatal(err)
		}
	}
}

func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !there(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is no %s after %v", what, patience)
		}
	}
}

func TestBirthWillAndGoodbyeInOrder(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		line := newCable(t, s.addr)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		status := app.Subscribe("w/status", 1)
		_, end := run(t, "tcp://"+line.Addr().String(), with(v))
		next(t, status, "online")
		line.cut()
		next(t, status, "offline")
		next(t, status, "online")
		end()
		next(t, status, "offline")
		status.Quiet(50 * time.Millisecond)
	})
}

func TestPublishAtEachQoS(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		response := app.Subscribe("w/response", 2)
		for q := range byte(3) {
			gateway, end := run(t, s.url(), with(v, qos(q)))
			connected(t, gateway)
			gateway.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, q)})
			if m := response.Next(patience); string(m.Payload) != fmt.Sprint(q) || m.QoS != q || m.Retained || m.Dup {
				t.Errorf("QoS %d: %+v", q, m)
			}
			end()
		}
	})
}

// What is published while the line fails in every way arrives, in order, at QoS 2 once.
func TestEventsOverABadLine(t *testing.T) {
	const events, cuts = 300, 6
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		for q := byte(1); q <= 2; q++ {
			line := gatewaytest.Toxiproxy(t, s.addr)
			app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
			response := app.Subscribe("w/response", 2)
			gateway, end := run(t, "tcp://"+line.Addr, with(v, qos(q), lasting(time.Minute, ""), func(o *mqtt.Options) { o.KeepAlive, o.Events = time.Second, events }))
			connected(t, gateway)
			troubles := []func(){
				func() { line.Reset(gatewaytest.Up, 0) },
				func() { line.Reset(gatewaytest.Down, 0) },
				func() { line.LimitData(gatewaytest.Up, 500) },
				func() { line.LimitData(gatewaytest.Down, 50) },
				func() { line.Disable(); line.Enable() },
				func() {
					line.Slice(gatewaytest.Up, 3, 2, 100*time.Microsecond)
					line.Latency(gatewaytest.Down, 20*time.Millisecond, 10*time.Millisecond)
				},
			}
			for i := range events {
				gateway.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
				if i%(events/cuts) == events/cuts/2 {
					troubles[i/(events/cuts)]()
					time.Sleep(20 * time.Millisecond) // of trouble
					if i < events-events/cuts {
						line.Clear()
					}
				}
			}
			inOrder(t, response, events, q)
			end()
			app.Close()
		}
	})
}

// inOrder checks that the first of each number came in order, and at QoS 2 no other.
func inOrder(t *testing.T, in *gatewaytest.Inbox, count int, q byte) {
	t.Helper()
	again := 0
	for i := 0; i < count; {
		m := in.Next(2 * patience)
		var got int
		_, _ = fmt.Sscan(string(m.Payload), &got)
		switch {
		case got == i:
			i++
		case got > i:
			t.Fatalf("QoS %d: %d comes where %d should", q, got, i)
		default:
			again++
		}
	}
	if again > 0 && q == 2 {
		t.Errorf("QoS 2: %d came twice", again)
	}
}

// The same with a broker that is killed.
func TestEventsOverBrokerRestarts(t *testing.T) {
	const events = 200
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{Reconnect: true, Persistent: true, ID: "app"})
		response := app.Subscribe("w/response", 1)
		gateway, _ := run(t, s.url(), with(v, lasting(time.Minute, ""), func(o *mqtt.Options) { o.Events = 3 * events }))
		connected(t, gateway)
		for i := range 3 * events {
			gateway.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
			if i%events == events/2 {
				s.restart()
			}
		}
		last := fmt.Sprint(3*events - 1)
		response.Await(2*patience, func(m gatewaytest.Message) bool { return string(m.Payload) == last })
	})
}

// Row 30 of the known failures: whatever the broker forgets is stated again.
func TestRow30StatesAreRestated(t *testing.T) {
	t.Parallel()
	for name, persistent := range map[string]bool{"with persistence": true, "without persistence": false} {
		for version, v := range map[string]mqtt.Version{"3.1.1": mqtt.V311, "5": mqtt.V5} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				b := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Persistent: persistent})
				s, _ := run(t, b.URL(), with(v, lasting(time.Minute, "")))
				for i := range 50 {
					s.Retain(mqtt.State{Topic: fmt.Sprintf("w/state/%d", i), Payload: fmt.Append(nil, i)})
				}
				connected(t, s)
				b.Restart()
				up := time.Now()
				app := gatewaytest.Client(t, b.URL(), gatewaytest.ClientOptions{})
				box := app.Subscribe("w/state/+", 1)
				got := map[string]string{}
				for len(got) < 50 {
					m := box.Next(5*time.Second - time.Since(up))
					got[m.Topic] = string(m.Payload)
				}
				for i := range 50 {
					if topic := fmt.Sprintf("w/state/%d", i); got[topic] != fmt.Sprint(i) {
						t.Errorf("%s is %q", topic, got[topic])
					}
				}
				t.Logf("all states are there again %v after the broker", time.Since(up).Round(time.Millisecond))
			})
		}
	}
}

func TestWhatWaitedComesWithinResume(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		state := filepath.Join(t.TempDir(), "state", "session")
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		for i := range 2 { // the second is as another process
			in := make(chan mqtt.Message, 100)
			gateway, end := run(t, s.url(), with(v, lasting(time.Minute, state), collect(in)))
			if i > 0 {
				receive(t, in, "after the end").Ack()
			}
			connected(t, gateway)
			app.Publish("w/request", 1, false, "hello")
			receive(t, in, "hello").Ack()
			end()
			app.Publish("w/request", 1, false, "after the end")
			if len(in) > 0 {
				t.Errorf("%q came, too", (<-in).Payload)
			}
		}
	})
}

func TestWhatWaitedTooLongIsDiscarded(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		state := filepath.Join(t.TempDir(), "session")
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		in := make(chan mqtt.Message, 100)
		line := newCable(t, s.addr)
		gateway, end := run(t, "tcp://"+line.Addr().String(), with(v, lasting(2*time.Second, state), collect(in)))
		connected(t, gateway)
		away(t, line, gateway, app, 2200*time.Millisecond)
		connected(t, gateway)
		app.Publish("w/request", 2, false, "young")
		receive(t, in, "young").Ack()
		settle(t, gateway)
		away(t, line, gateway, app, 0) // not long: it comes
		receive(t, in, "old").Ack()
		connected(t, gateway)
		end()
		app.Publish("w/request", 1, false, "old")
		time.Sleep(2200 * time.Millisecond) // the time it may wait
		gateway, _ = run(t, "tcp://"+line.Addr().String(), with(v, lasting(2*time.Second, state), collect(in)))
		connected(t, gateway)
		app.Publish("w/request", 1, false, "young")
		receive(t, in, "young").Ack()
	})
}

// away cuts the session off for a time, in which a message comes for it.
func away(t *testing.T, line *cable, s *mqtt.Session, app *gatewaytest.Peer, d time.Duration) {
	t.Helper()
	line.hold(true)
	line.cut()
	await(t, "loss of the connection", func() bool { return !s.Status().Connected })
	app.Publish("w/request", 1, false, "old")
	time.Sleep(d)
	line.hold(false)
}

// What is not acknowledged comes again, to the next process too; what is does not.
func TestUnacknowledgedComesAgain(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		state := filepath.Join(t.TempDir(), "session")
		in := make(chan mqtt.Message, 100)
		line := newCable(t, s.addr)
		options := with(v, lasting(time.Minute, state), collect(in))
		gateway, end := run(t, "tcp://"+line.Addr().String(), options)
		connected(t, gateway)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		for q := byte(1); q <= 2; q++ {
			app.Publish("w/request", q, false, fmt.Sprint("acknowledged ", q))
			app.Publish("w/request", q, false, fmt.Sprint("not acknowledged ", q))
		}
		receive(t, in, "acknowledged 1").Ack()
		settle(t, gateway)
		receive(t, in, "not acknowledged 1")
		receive(t, in, "acknowledged 2").Ack() // kept back, so that the order holds
		receive(t, in, "not acknowledged 2")
		again := func() {
			t.Helper()
			for _, want := range []string{"not acknowledged 1", "acknowledged 2", "not acknowledged 2"} {
				if m := receive(t, in, want); !m.Duplicate {
					t.Errorf("%q comes again without saying so", want)
				}
			}
		}
		line.cut()
		again()
		end()
		gateway, _ = run(t, "tcp://"+line.Addr().String(), options)
		again()
		connected(t, gateway)
		app.Publish("w/request", 1, false, "last")
		receive(t, in, "last")
	})
}

func TestNinthLetsTheOldestGo(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		in := make(chan mqtt.Message, 100)
		line := newCable(t, s.addr)
		gateway, _ := run(t, "tcp://"+line.Addr().String(), with(v, lasting(time.Minute, ""), collect(in)))
		connected(t, gateway)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		for i := range 50 { // more than a broker sends ahead
			app.Publish("w/request", 1, false, fmt.Sprint(i))
			receive(t, in, fmt.Sprint(i))
		}
		settle(t, gateway)
		line.cut()
		for i := 42; i < 50; i++ {
			receive(t, in, fmt.Sprint(i)).Ack()
		}
	})
}

func TestTopicsChangeLive(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		in := make(chan mqtt.Message, 100)
		line := newCable(t, s.addr)
		gateway, _ := run(t, "tcp://"+line.Addr().String(), with(v, lasting(time.Minute, ""), collect(in)))
		connected(t, gateway)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		reaches := func(topic string) {
			t.Helper()
			await(t, "message on "+topic, func() bool {
				app.Publish(topic, 1, false, "x")
				select {
				case m := <-in:
					m.Ack()
					return m.Topic == topic
				case <-time.After(50 * time.Millisecond):
					return false
				}
			})
		}
		quiet := func(topic string) {
			t.Helper()
			for len(in) > 0 {
				(<-in).Ack()
			}
			app.Publish(topic, 1, false, "x")
			app.Publish("w/always", 1, false, "x")
			if m := receive(t, in, "x"); m.Topic != "w/always" {
				t.Errorf("a message on %s came", m.Topic)
			}
		}
		gateway.SetTopics([]string{"w/request", "w/new"}, []string{"w/always"})
		reaches("w/new")
		gateway.SetTopics([]string{"w/request"}, []string{"w/always"})
		reaches("w/always")
		settle(t, gateway)
		quiet("w/new")
		line.hold(true)
		line.cut()
		await(t, "loss", func() bool { return !gateway.Status().Connected })
		gateway.SetTopics([]string{"w/other"}, []string{"w/always"})
		line.hold(false)
		reaches("w/other")
		settle(t, gateway)
		quiet("w/request")
		if n := gateway.Status().Connects; n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestReconfigureKeepsQueueAndStates(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		status, other, state, response := app.Subscribe("w/status", 1), app.Subscribe("other/status", 1), app.Subscribe("w/state", 1), app.Subscribe("w/response", 1)
		var o mqtt.Options
		gateway, _ := run(t, s.url(), with(v, func(given *mqtt.Options) { o = *given; given.URL = "tcp://127.0.0.1:1" }))
		gateway.Retain(mqtt.State{Topic: "w/state", Payload: []byte("20.5")})
		gateway.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("waiting")})
		gateway.Reconfigure(o)
		next(t, status, "online")
		next(t, state, "20.5")
		next(t, response, "waiting")
		if o.ClientID, o.Status = "other", "other/status"; !s.only311 {
			o.Version = mqtt.V5 - o.Version
		}
		gateway.Reconfigure(o)
		next(t, status, "offline")
		next(t, other, "online")
		next(t, state, "20.5")
		gateway.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("after")})
		next(t, response, "after")
	})
}

func TestForgetClears(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		line := newCable(t, s.addr)
		gateway, _ := run(t, "tcp://"+line.Addr().String(), with(v))
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		states, status := app.Subscribe("w/state/+", 1), app.Subscribe("w/status", 1)
		gateway.Retain(mqtt.State{Topic: "w/state/a", Payload: []byte("1")})
		gateway.Retain(mqtt.State{Topic: "w/state/b", Payload: []byte("2")})
		next(t, states, "1")
		next(t, states, "2")
		gateway.Forget("w/state/a")
		next(t, states, "")
		status.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
		settle(t, gateway)
		gateway.Retain(mqtt.State{Topic: "w/state/b", Payload: []byte("3")})
		next(t, states, "3")
		line.cut()
		next(t, states, "3") // and not the other one again
		late := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{}).Subscribe("w/state/+", 1)
		next(t, late, "3")
		late.Quiet(50 * time.Millisecond)
		states.Quiet(0)
	})
}

func TestDeliver(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		line := gatewaytest.Toxiproxy(t, s.addr)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		box := app.Subscribe("w/history", 2)
		gateway, end := run(t, "tcp://"+line.Addr, with(v, qos(0), lasting(time.Minute, "")))
		if err := gateway.Deliver(t.Context(), "w/history", []byte("1")); err != nil { // waits for the connection
			t.Fatal(err)
		}
		if m := box.Next(patience); string(m.Payload) != "1" || m.QoS != 1 {
			t.Errorf("%+v", m)
		}
		line.Blackhole(gatewaytest.Down)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := gateway.Deliver(short, "w/history", []byte("2")); err == nil {
			t.Error("delivered without an acknowledgement")
		}
		failed := make(chan error)
		go func() { failed <- gateway.Deliver(context.Background(), "w/history", []byte("3")) }()
		box.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "3" })
		line.Disable()
		if err := within(t, failed); err == nil {
			t.Error("delivered over a connection that was lost")
		}
		go func() { failed <- gateway.Deliver(context.Background(), "w/history", []byte("4")) }()
		line.Clear()
		if err := within(t, failed); err != nil {
			t.Error(err)
		}
		end()
		if err := gateway.Deliver(short, "w/history", []byte("5")); err == nil {
			t.Error("delivered after the end")
		}
	})
}

func within(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		t.Fatal("it does not return")
		return nil
	}
}

// Missed is called once for each state that the broker may not have.
func TestMissed(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		var mu sync.Mutex
		var missed []string
		state := func(topic string) mqtt.State {
			return mqtt.State{Topic: topic, Payload: []byte("x"), Missed: func() { mu.Lock(); missed = append(missed, topic); mu.Unlock() }}
		}
		check := func(want ...string) {
			t.Helper()
			await(t, fmt.Sprintf("list %q", want), func() bool { mu.Lock(); defer mu.Unlock(); return len(missed) >= len(want) })
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(missed, want) {
				t.Fatalf("missed %q, want %q", missed, want)
			}
		}
		line := gatewaytest.Toxiproxy(t, s.addr)
		line.Disable()
		gateway, end := run(t, "tcp://"+line.Addr, with(v, lasting(time.Minute, "")))
		gateway.Retain(state("w/away"))
		check("w/away")
		line.Enable()
		connected(t, gateway)
		app := gatewaytest.Client(t, s.url(), gatewaytest.ClientOptions{})
		box := app.Subscribe("w/#", 1)
		gateway.Retain(state("w/delivered"))
		box.Await(patience, func(m gatewaytest.Message) bool { return m.Topic == "w/delivered" && !m.Retained })
		if err := gateway.Deliver(t.Context(), "w/barrier", nil); err != nil { // acknowledged after it
			t.Fatal(err)
		}
		check("w/away")
		line.Blackhole(gatewaytest.Down)
		gateway.Retain(state("w/flight"))
		box.Await(patience, func(m gatewaytest.Message) bool { return m.Topic == "w/flight" })
		line.Disable()
		check("w/away", "w/flight")
		line.Clear()
		connected(t, gateway)
		end()
		check("w/away", "w/flight")
	})
}

func TestStatusOfASession(t *testing.T) {
	each(t, func(t *testing.T, s server, v mqtt.Version) {
		line := newCable(t, s.addr)
		line.hold(true)
		gateway, end := run(t, "tcp://"+line.Addr().String(), with(v, func(o *mqtt.Options) { o.Events = 1 }))
		await(t, "reason", func() bool { return gateway.Status().Err != nil })
		if st := gateway.Status(); st.Connected || !st.Since.IsZero() || st.Connects != 0 {
			t.Errorf("before the first connection: %+v", st)
		}
		for range 3 {
			gateway.Publish(mqtt.Event{Topic: "w/response", Payload: []byte("x")})
		}
		gateway.Publish(mqtt.Event{Topic: "w/#", Payload: []byte("no topic")})
		if st := gateway.Status(); st.Dropped != 3 {
			t.Errorf("%d dropped, want 3", st.Dropped)
		}
		line.hold(false)
		connected(t, gateway)
		first := gateway.Status()
		if first.Err != nil || first.Connects != 1 || time.Since(first.Since) > patience {
			t.Errorf("connected: %+v", first)
		}
		end()
		if st := gateway.Status(); st.Connected || !st.Since.After(first.Since) {
			t.Errorf("after the end: %+v", st)
		}
	})
}
