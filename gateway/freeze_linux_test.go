package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// freeze makes a process stand still.
func freeze(t *testing.T, p *program) {
	t.Helper()
	p.Signal(syscall.SIGSTOP)
	eventually(t, "the process stands still", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		return err == nil && strings.Contains(string(status), "T (stopped)")
	})
}

// What comes after the process stood still for longer than resume_within is discarded,
// and the gateway answers again.
func TestRequestsAreNotExecutedLateAfterAFreeze(t *testing.T) {
	t.Parallel()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	for _, version := range versions {
		r := newResuming(t, broker)
		p := newProgram(t, r.app, r.yaml(broker.URL(), version, 4*time.Second))
		freeze(t, p)
		r.send(batch)
		time.Sleep(6 * time.Second) // the freeze
		p.Signal(syscall.SIGCONT)
		p.status.Await(recovery, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
		eventually(t, "the gateway answers again", func() bool {
			for len(r.replies.Messages()) > 0 {
				<-r.replies.Messages()
			}
			r.app.Publish("modferry/w/bus/b/request/me", 1, false, "010400010001")
			select {
			case m := <-r.replies.Messages():
				return len(m.Payload) > 0
			case <-time.After(time.Second):
				return false
			}
		})
		if n := len(r.d.written()); n != 0 {
			t.Errorf("MQTT %s: %d of %d requests that waited for 6 s were executed, with resume_within 4 s", version, n, batch)
		}
		p.Kill()
	}
}

// What the gateway had taken already when its process began to stand still, and was to
// be sent after another request, is not sent late either: it is answered.
func TestTakenRequestsAreNotSentLateAfterAFreeze(t *testing.T) {
	const waiting = 5
	t.Parallel()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	for _, version := range versions {
		t.Run("MQTT "+version, func(t *testing.T) {
			t.Parallel()
			d := &ledger{writes: map[uint16]int{}}
			reading, read := make(chan struct{}, 1), make(chan struct{})
			d.addr = modbusServer(t, func(unit byte, p modbus.PDU) (modbus.PDU, bool) {
				if p.FunctionCode == modbus.ReadInputRegisters { // slow
					reading <- struct{}{}
					<-read
				}
				return d.answer(unit, p)
			})
			release := sync.OnceFunc(func() { close(read) })
			t.Cleanup(release)
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			name := "w" + version[:1]
			topic := func(what, client string) string { return "modferry/" + name + "/bus/b/" + what + "/" + client }
			replies := app.Subscribe(topic("response", "+"), 1)
			p := &program{t: t, file: filepath.Join(t.TempDir(), "gateway.yaml")}
			p.configure(fmt.Sprintf("gateway: %s\ndata_dir: %q\nmqtt: {url: %q, version: %q}\nrequests: {resume_within: 3s}\nbuses: {b: {tcp: %q, timeout: 30s, allow: [{}]}}\n",
				name, t.TempDir(), broker.URL(), version, d.addr))
			p.Process = gatewaytest.Start(t, "gateway", "--log", "debug", "-c", p.file)
			p.ErrorLine("connected to the broker")

			app.Publish(topic("request", "slow"), 1, false, "010400010001")
			<-reading
			open := map[string]bool{}
			for i := range waiting {
				client := fmt.Sprint("client", i)
				app.Publish(topic("request", client), 1, false, fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":1,"values":[%d]}`, i, i))
				open[topic("response", client)] = true
			}
			for i := range waiting {
				p.ErrorLine(fmt.Sprint("client=client", i)) // it has taken it
			}
			freeze(t, p)
			time.Sleep(4 * time.Second) // the freeze
			release()
			p.Signal(syscall.SIGCONT)
			for len(open) > 0 {
				m := replies.Next(recovery)
				if !open[m.Topic] {
					continue
				}
				delete(open, m.Topic)
				includes(t, string(m.Payload), `{"ok":false,"error":{"code":"expired","exception":6}}`)
			}
			if n := len(d.written()); n != 0 {
				t.Errorf("%d of %d requests were sent after the freeze", n, waiting)
			}
			p.Kill()
		})
	}
}
