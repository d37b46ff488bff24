// Package simulatortest has what the tests of virtual devices share: devices and
// simulators that end with the test, and a clock that the test moves.
package simulatortest

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
	"modferry/simulator/config"
	"modferry/simulator/device"
)

// Profile returns a built-in profile.
func Profile(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(configs.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Parsed returns a profile with these registers, and a reading a of coil 0.
func Parsed(t testing.TB, text string) *profile.Profile {
	t.Helper()
	p, err := profile.Parse("x.yaml", []byte("title: x\nreadings: {a: {coil: 0}}\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Configured reads a configuration with files beside it.
func Configured(t testing.TB, text string, files map[string]string) (config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Parse(filepath.Join(dir, "x.yaml"), []byte(text), configs.Files)
}

// Clock is a virtual clock, which can also go back.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock returns a clock that shows the beginning of 2026.
func NewClock() *Clock { return &Clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance moves the clock.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(by)
}

// Device returns a device that lives by a clock; nil: the present.
func Device(t testing.TB, o device.Options, now func() time.Time) *device.Device {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	d, err := device.New(o, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Simulator returns a simulator that does not run yet.
func Simulator(t testing.TB, o simulator.Options) *simulator.Simulator {
	t.Helper()
	s, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Run runs the simulator until the test ends.
func Run(t testing.TB, s *simulator.Simulator) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the simulator ended with %v", err)
		}
	})
}

// Ask asks a device directly with the hex of a PDU; "" is silence.
func Ask(t testing.TB, d *device.Device, request string) string {
	t.Helper()
	b := Bytes(t, request)
	reply, ok := d.Handle(d.Unit(), modbus.PDU{FunctionCode: b[0], Data: b[1:]})
	if !ok {
		return ""
	}
	return fmt.Sprintf("%02X%X", reply.FunctionCode, reply.Data)
}

// Number returns what a register of a device holds.
func Number(t testing.TB, d *device.Device, name string) float64 {
	t.Helper()
	v, err := d.Value(name)
	if err != nil {
		t.Fatal(err)
	}
	return v.Float()
}

// Bytes reads hex, with or without spaces.
func Bytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
