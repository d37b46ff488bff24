package poll

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// startLogged polls a device and returns what the log says of it, without the times.
func startLogged(t *testing.T, d *device, readings ...profile.Reading) (p *Poller, lines func() []string) {
	t.Helper()
	var mu sync.Mutex
	var log bytes.Buffer
	handler := slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	d.start = time.Now()
	p = New(Options{
		Device: config.Device{Every: 10 * time.Second, Heartbeat: time.Hour, Payload: "json", Readings: readings},
		Client: func(context.Context) modbus.Client { return d }, Status: func([]byte) {}, Log: slog.New(handler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return p, func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer log.Reset()
		return strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// A device that refuses a reading, such as after a set that it refused, is well: the log
// names the reading, the exception and the function of the request, once.
func TestLogOfExceptions(t *testing.T) {
	for _, code := range []byte{modbus.IllegalDataAddress, modbus.ServerDeviceFailure, modbus.ServerDeviceBusy} {
		synctest.Test(t, func(t *testing.T) {
			d := &device{input: map[uint16]uint16{1: 305}}
			p, lines := startLogged(t, d, input("setpoint", 1))
			pass(time.Second)
			lines()
			d.set(1, 305, &modbus.Exception{FunctionCode: 0x84, ExceptionCode: code})
			for range 3 {
				p.Soon("setpoint")
				pass(time.Second)
			}
			want := fmt.Sprintf(`msg="the device answers a read with an exception" readings=[setpoint] error="exception %d (%s) to function 4: %s"`, code, modbus.ExceptionName(code), modbus.ExceptionHint(code))
			if got := lines(); len(got) != 1 || got[0] != want {
				t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
			d.set(1, 305, silence)
			pass(10 * time.Second)
			d.set(1, 305, nil)
			pass(10 * time.Second)
			if got := lines(); len(got) != 2 || !strings.Contains(got[0], "cannot read the device") || !strings.Contains(got[1], "the device answers") {
				t.Errorf("silence and its end are logged as\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// A reading that the device lastingly refuses is told in the same words.
func TestLogOfLastingRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 1))
		var log bytes.Buffer
		mu := sync.Mutex{}
		p := New(Options{
			Device: pollEvery(time.Second, words(0, 50)), Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
			Client: func(context.Context) modbus.Client { return modbus.NewClient(modbus.Bare.Packager(1), d) }, Status: func([]byte) {},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		pass(time.Minute)
		p.Soon("r50") // is known to be refused
		pass(time.Second)
		cancel()
		running.Wait()
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "readings=[r50]") || !strings.Contains(got, "exception 2 (illegal data address) to function 4") {
			t.Errorf("the log says\n%s", got)
		}
	})
}
