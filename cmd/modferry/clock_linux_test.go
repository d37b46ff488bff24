package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

// years10 is how far the tests step the clock.
const years10 = 10 * 365 * 24 * time.Hour

// steppable builds the program with a wall clock that signals move: SIGUSR1 to ten
// years from now, SIGUSR2 to ten years ago. Its monotonic clock goes on, as with a
// clock that somebody sets. For that, package time is compiled from a changed copy.
func steppable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	original := filepath.Join(strings.TrimSpace(output(t, "go", "env", "GOROOT")), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		gatewaytest.Missing(t, "the source of the standard library is not there")
	}
	const before = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), before) != 1 {
		t.Fatalf("%s is not as this test knows it: it must be taught how time.Now begins", original)
	}
	changed := strings.Replace(string(source), before, before+"\tsec += step\n", 1) +
		"\nvar step int64\n\n// Step moves the wall clock by seconds.\nfunc Step(seconds int64) { step = seconds }\n"
	main, err := filepath.Abs("stepped.go")
	if err != nil {
		t.Fatal(err)
	}
	replaced := map[string]string{
		original: write(t, "time.go", changed),
		main:     write(t, "stepped.go", stepped),
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "modferry")
	build := exec.Command("go", "build", "-overlay", write(t, "overlay.json", string(overlay)), "-o", program, "modferry/cmd/modferry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build modferry with another clock: %v\n%s", err, out)
	}
	return program
}

var stepped = fmt.Sprintf(`package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func init() {
	steps := make(chan os.Signal, 1)
	signal.Notify(steps, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range steps {
			if s == syscall.SIGUSR1 {
				time.Step(%[1]d)
			} else {
				time.Step(-%[1]d)
			}
		}
	}()
}
`, int64(years10/time.Second))

// counting is a Modbus TCP device whose registers hold their address. It counts writes.
type counting struct {
	addr   string
	writes atomic.Int64
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &counting{addr: l.Addr().String()}
	s := server.New(server.Options{Handler: server.HandlerFunc(func(_ byte, p modbus.PDU) (modbus.PDU, bool) {
		if modbus.IsWrite(p.FunctionCode) {
			d.writes.Add(1)
			return p, true
		}
		return modbus.PDU{FunctionCode: p.FunctionCode, Data: []byte{2, p.Data[0], p.Data[1]}}, true
	})})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeTCP(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

// Row 28 of the known failures: the wall clock steps by ten years, forwards and
// backwards. Readings go on at their pace with the new time, requests are answered,
// and a request that comes once more is recognised.
func TestRow28WallClockSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library")
	}
	program := steppable(t)
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	device := newCounting(t)
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	readings := app.Subscribe("modferry/shed/device/d/r", 1)
	replies := app.Subscribe("modferry/shed/bus/b/response/me", 1)
	p := gatewaytest.StartProgram(t, program, "gateway", "-c", write(t, "gateway.yaml", fmt.Sprintf(
		"gateway: shed\ndata_dir: %q\nmqtt: {url: 'mqtt://%s'}\nbuses: {b: {tcp: %q, allow: [{}]}}\n"+
			"devices: {d: {bus: b, unit: 1, every: 100ms, heartbeat: 100ms, readings: {r: {holding: 7, type: uint16}}}}\n", t.TempDir(), broker.Addr, device.addr)))

	ask := func(id string) string {
		t.Helper()
		app.Publish("modferry/shed/bus/b/request/me", 1, false, fmt.Sprintf(`{"id":%q,"unit":1,"function":6,"address":1,"values":[5]}`, id))
		return string(replies.Next(patience).Payload)
	}
	expectPace(t, readings, 0)
	first := ask("known")
	if !strings.Contains(first, `"outcome":"done"`) {
		t.Fatalf("a write is answered with %s", first)
	}
	for i, clock := range []struct {
		signal os.Signal
		off    time.Duration
	}{{syscall.SIGUSR1, years10}, {syscall.SIGUSR2, -years10}, {syscall.SIGUSR1, years10}} {
		p.Signal(clock.signal)
		expectPace(t, readings, clock.off)
		if again := ask("known"); again != first {
			t.Errorf("%s off, a request that comes once more is answered with %s, at first with %s", clock.off, again, first)
		}
		if reply := ask(fmt.Sprint("new ", i)); !strings.Contains(reply, `"outcome":"done"`) {
			t.Errorf("%s off, a write is answered with %s", clock.off, reply)
		}
		if got := device.writes.Load(); got != int64(i+2) {
			t.Errorf("%s off, the device got %d writes, want %d", clock.off, got, i+2)
		}
	}
}

// expectPace waits for the first reading with the clock this far off, and counts
// those of the next two seconds, of which there is one every 100 ms.
func expectPace(t *testing.T, readings *gatewaytest.Inbox, off time.Duration) {
	t.Helper()
	began := time.Now()
	readings.Await(patience, func(m gatewaytest.Message) bool { return !m.Retained && isOff(t, m, off) })
	if stall := time.Since(began); stall > 2*time.Second {
		t.Errorf("%s off, the next reading came after %s", off, stall)
	}
	n, end := 0, time.After(2*time.Second)
	for {
		select {
		case m := <-readings.Messages():
			if n++; !isOff(t, m, off) {
				t.Errorf("%s off, a reading says %s", off, m.Payload)
			}
			continue
		case <-end:
		}
		break
	}
	if n < 10 || n > 25 {
		t.Errorf("%s off, there are %d readings in 2 s, want 20", off, n)
	}
}

// isOff reports whether a reading was taken just now by a clock that is off.
func isOff(t *testing.T, m gatewaytest.Message, off time.Duration) bool {
	t.Helper()
	var reading struct{ Time time.Time }
	if err := json.Unmarshal(m.Payload, &reading); err != nil {
		t.Fatalf("%s: %v", m.Payload, err)
	}
	return reading.Time.Sub(time.Now().Add(off)).Abs() < time.Minute
}
