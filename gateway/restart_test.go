package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

// program is the modferry program with a configuration, started and killed by a test.
type program struct {
	*gatewaytest.Process
	t      *testing.T
	file   string
	status *gatewaytest.Inbox
}

// newProgram starts a gateway named w and waits until it is online. The app is
// connected to its broker.
func newProgram(t *testing.T, app *gatewaytest.Peer, yaml string) *program {
	t.Helper()
	p := &program{t: t, file: filepath.Join(t.TempDir(), "gateway.yaml"), status: app.Subscribe("modferry/w/status", 1)}
	p.configure(yaml)
	p.start()
	return p
}

func (p *program) configure(yaml string) {
	p.t.Helper()
	if err := os.WriteFile(p.file, []byte(yaml), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) start() {
	p.t.Helper()
	for len(p.status.Messages()) > 0 { // what the last process said
		<-p.status.Messages()
	}
	p.Process = gatewaytest.Start(p.t, "gateway", "-c", p.file)
	p.status.Await(recovery, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" && !m.Retained })
}

// retainedAt returns what is retained on a topic, "" for nothing.
func retainedAt(t *testing.T, url, topic string) string {
	t.Helper()
	late := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
	defer late.Close()
	select {
	case m := <-late.Subscribe(topic, 1).Messages():
		return string(m.Payload)
	case <-time.After(2 * time.Second): // a broker gives what it has at once, if it has time
		return ""
	}
}

func eventuallyOnline(t *testing.T, url string) (after time.Duration) {
	t.Helper()
	began := time.Now()
	eventually(t, "the status says online", func() bool { return retainedAt(t, url, "modferry/w/status") == "online" })
	return time.Since(began)
}

// Row 22: the gateway is killed and started, and others take its connection over.
func TestRow22StatusEndsOnline(t *testing.T) {
	t.Parallel()
	d, broker := newDevice(t), gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	for _, version := range versions {
		p := newProgram(t, app, fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: %q, version: %q}\nbuses: {b: {tcp: %q}}\n", t.TempDir(), broker.URL(), version, d.addr))
		kills, takeovers := 10**rounds, 20**rounds
		for kill := range kills {
			p.Kill()
			p.Process = gatewaytest.Start(t, "gateway", "-c", p.file)
			if kill%3 > 0 { // else it is killed while it starts
				p.ErrorLine("connected to the broker")
			}
		}
		afterKills := eventuallyOnline(t, broker.URL())
		for i := range takeovers {
			intruder, err := gatewaytest.Connect(t, broker.URL(), gatewaytest.ClientOptions{ID: "modferry-w", Configure: func(o *paho.ClientOptions) {
				if i%2 == 0 {
					o.SetWill("modferry/w/status", "offline", 1, true)
				}
			}})
			if err == nil && i%4 == 0 {
				intruder.Close()
			}
		}
		afterTakeovers := eventuallyOnline(t, broker.URL())
		t.Logf("MQTT %s: %d kills, then online after %v; %d takeovers, then online after %v", version,
			kills, afterKills.Round(time.Millisecond), takeovers, afterTakeovers.Round(time.Millisecond))
		in := app.Subscribe("modferry/w/bus/b/+/me", 2)
		readsWell(t, app, in)
		app.Unsubscribe("modferry/w/bus/b/+/me").Wait()
		p.Kill()
	}
}

// resuming is a gateway that is away for some time while requests wait for it.
type resuming struct {
	t       *testing.T
	d       *ledger
	app     *gatewaytest.Peer
	replies *gatewaytest.Inbox
	sent    int
	ids     bool // every request has an id, so that a reply of any kind can be told
}

func newResuming(t *testing.T, broker *gatewaytest.Server) *resuming {
	t.Helper()
	r := &resuming{t: t, d: newLedger(t), app: gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})}
	r.replies = r.app.Subscribe("modferry/w/bus/b/response/me", 1)
	return r
}

func (r *resuming) yaml(url, version string, within time.Duration) string {
	return fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: %q, version: %q}\nrequests: {resume_within: %s}\nbuses: {b: {tcp: %q, allow: [{}]}}\n",
		r.t.TempDir(), url, version, within, r.d.addr)
}

const batch = 30 // more than mosquitto has on the way at once

// send publishes writes of values that were not written before.
func (r *resuming) send(n int) {
	r.t.Helper()
	for range n {
		r.sent++
		request := fmt.Sprintf("01060001%04X", r.sent)
		if r.ids || r.sent%3 == 0 {
			request = fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":1,"values":[%d]}`, r.sent, r.sent)
		}
		r.app.Publish("modferry/w/bus/b/request/me", byte(1+r.sent%2), false, request)
	}
}

// expect waits for the replies to the last n writes, and looks at the device's writes.
func (r *resuming) expect(n, written int) {
	r.t.Helper()
	open := map[string]bool{}
	for i := range n {
		open[fmt.Sprint(r.sent-i)] = true
	}
	for len(open) > 0 {
		delete(open, writtenValue(r.t, r.replies.Next(recovery).Payload))
	}
	writes := r.d.written()
	for value, times := range writes {
		if times != 1 {
			r.t.Errorf("value %d was written %d times", value, times)
		}
	}
	if len(writes) != written {
		r.t.Errorf("the device has %d writes, want %d", len(writes), written)
	}
}

// Requests that wait at the broker while the gateway's process is gone are executed
// once when it is back in time, and not at all when it is not.
func TestRequestsWaitForTheNextProcess(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
			r := newResuming(t, broker)
			p := newProgram(t, r.app, r.yaml(broker.URL(), version, 30*time.Second))
			p.Kill()
			r.send(batch)
			p.start()
			r.expect(batch, batch)

			const held = 8 // that a gateway has at once without an acknowledgement
			r.ids = true
			r.send(held) // killed in the middle of these: each is executed or its outcome is unknown
			p.Kill()
			p.start()
			r.expectAnswers(held)

			p.configure(r.yaml(broker.URL(), version, time.Second)) // a state directory of its own, too
			p.Stop()
			p.start()
			before := len(r.d.written())
			p.Kill()
			r.send(batch)
			time.Sleep(2500 * time.Millisecond) // what is tested is this absence
			p.start()
			r.send(1)
			r.expect(1, before+1)
			t.Logf("away for less than resume_within: %d of %d writes executed once and answered; for longer: 0 of %d executed", batch, batch, batch)
		})
	}
}

// expectAnswers waits for an answer to each of the last n writes, and makes sure that none was made twice.
func (r *resuming) expectAnswers(n int) {
	r.t.Helper()
	open := map[int]bool{}
	for i := range n {
		open[r.sent-i] = true
	}
	for len(open) > 0 {
		var value int
		if _, err := fmt.Sscanf(string(r.replies.Next(recovery).Payload), `{"id":%d,`, &value); err == nil {
			delete(open, value)
		}
	}
	for value, times := range r.d.written() {
		if times > 1 {
			r.t.Errorf("value %d was written %d times", value, times)
		}
	}
}

// The same while the connection is a black hole.
func TestRequestsWaitBehindABlackHole(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	t.Parallel()
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
			proxy := gatewaytest.Toxiproxy(t, broker.Addr)
			r := newResuming(t, broker)
			status := r.app.Subscribe("modferry/w/status", 1)
			run(t, parse(t, r.yaml("mqtt://"+proxy.Addr, version, 3*time.Second)))
			online(t, status, 1)

			away := func(long time.Duration) {
				proxy.Blackhole(gatewaytest.Up)
				proxy.Blackhole(gatewaytest.Down)
				r.send(batch)
				time.Sleep(long) // what is tested is this absence
				proxy.Clear()
			}
			away(time.Second)
			r.expect(batch, batch)
			away(9 * time.Second) // the broker misses the gateway after two of these, and the proxy lets it know
			for len(status.Messages()) > 0 {
				<-status.Messages()
			}
			online(t, status, 1)
			r.send(1)
			r.expect(1, batch+1)
			t.Logf("black hole for 1 s of resume_within 3 s: %d of %d writes executed once and answered; for 9 s: 0 of %d executed", batch, batch, batch)
		})
	}
}
