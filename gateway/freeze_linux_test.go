package gateway_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// What comes after the process stood still for longer than resume_within is discarded,
// and the gateway answers again.
func TestRequestsAreNotExecutedLateAfterAFreeze(t *testing.T) {
	t.Parallel()
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	for _, version := range versions {
		r := newResuming(t, broker)
		p := newProgram(t, r.app, r.yaml(broker.URL(), version, 4*time.Second))
		p.Signal(syscall.SIGSTOP)
		eventually(t, "the process stands still", func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
			return err == nil && strings.Contains(string(status), "T (stopped)")
		})
		r.send(batch)
		time.Sleep(6 * time.Second) // the freeze
		p.Signal(syscall.SIGCONT)
		p.ErrorLine("nothing came for longer")
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
