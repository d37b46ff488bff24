package recording_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
	"modferry/simulator/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// bench is a virtual device whose time stands still unless it is stepped.
type bench struct {
	*simulator.Simulator
	line  transport.Transporter
	clock *simulator.Clock
}

// silence is how long is waited at the one address where a device is silent; all else
// is answered some time.
const silence = 100 * time.Millisecond

// Ask asks the device.
func (b *bench) Ask(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error) {
	line := recording.Line{Transporter: b.line, Timeout: patience}
	if s := modbus.Spans(q)[0]; s.Table == modbus.HoldingRegisters && s.Address <= silentAt && s.End() > silentAt {
		line.Timeout = silence
	}
	return line.Ask(ctx, unit, q)
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// open starts the devices of a configuration.
func open(t testing.TB, file string, text []byte) *bench {
	t.Helper()
	c, err := simulator.ParseConfig(file, text, configs.Files)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	clock := simulator.NewPausedClock(noon)
	s, err := simulator.New(simulator.Options{Devices: c.Devices, Clock: clock, Calls: 10000})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	m, err := s.Memory(modbus.RTU)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddFaults(c.Faults...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	line := m.Transporter(patience)
	t.Cleanup(func() {
		_ = line.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &bench{s, line, clock}
}

// options record the device by its clock, which each wait steps.
func (b *bench) options(o recording.Options) recording.Options {
	o.Line, o.From = b, "memory"
	o.Now = b.clock.Now
	o.Wait = func(ctx context.Context, until time.Time) error {
		if err := b.clock.Step(until.Sub(b.clock.Now())); err != nil {
			return err
		}
		return ctx.Err()
	}
	return o
}

// record records into a new folder.
func (b *bench) record(t testing.TB, o recording.Options) (*recording.Recording, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	f, err := recording.OpenFolder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	o.Save = f.Save
	c, err := recording.Record(t.Context(), b.options(o))
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// replay starts what was recorded.
func replay(t testing.TB, dir string) *bench {
	t.Helper()
	return open(t, filepath.Join(dir, recording.ConfigFile), []byte(file(t, dir, recording.ConfigFile)))
}

func file(t testing.TB, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reply returns the whole reply as text, or that there is none.
func (b *bench) reply(t testing.TB, unit byte, q modbus.PDU) string {
	t.Helper()
	p, err := b.Ask(t.Context(), unit, q)
	if err != nil {
		if strings.Contains(err.Error(), "did not answer") {
			return "silence"
		}
		t.Fatal(err)
	}
	return string(append([]byte{p.FunctionCode}, p.Data...))
}

func spans(all ...modbus.Span) []modbus.Span { return all }
