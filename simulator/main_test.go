package simulator_test

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/modbus/profile"
	"modferry/simulator"
	"modferry/simulator/simulatortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // for what must come

var configs = os.DirFS("../configs")

// What the tests of all rooms share.
var (
	newSimulator = simulatortest.Simulator
	newClock     = simulatortest.NewClock
	run          = simulatortest.Run
	ask          = simulatortest.Ask
	number       = simulatortest.Number
	fromHex      = simulatortest.Bytes
	configured   = simulatortest.Configured
)

func xymd02(t testing.TB) *profile.Profile { return simulatortest.Profile(t, "xy-md02") }

// pin holds the temperature, and humidity at 54.6 %.
func pin(t testing.TB, s *simulator.Simulator, temperature float64) {
	t.Helper()
	for name, v := range map[string]float64{"temperature": temperature, "humidity": 54.6} {
		if err := s.Pin(name, v); err != nil {
			t.Fatal(err)
		}
	}
}
