package simulator_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // for what must come

var configs = os.DirFS("../configs")

func xymd02(t testing.TB) *profile.Profile {
	t.Helper()
	p, err := profile.Load(configs, "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clock is a virtual clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newSimulator(t testing.TB, o simulator.Options) *simulator.Simulator {
	t.Helper()
	s, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs the simulator until the test ends.
func run(t testing.TB, s *simulator.Simulator) {
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

// ask asks a device directly with the hex of a PDU.
func ask(t testing.TB, d *simulator.Device, request string) string {
	t.Helper()
	b := fromHex(t, request)
	reply, ok := d.Handle(d.Unit(), modbus.PDU{FunctionCode: b[0], Data: b[1:]})
	if !ok {
		return ""
	}
	return fmt.Sprintf("%02X%X", reply.FunctionCode, reply.Data)
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pin holds the temperature, and humidity at 54.6 %.
func pin(t testing.TB, s *simulator.Simulator, temperature float64) {
	t.Helper()
	for name, v := range map[string]float64{"temperature": temperature, "humidity": 54.6} {
		if err := s.Pin(name, v); err != nil {
			t.Fatal(err)
		}
	}
}
