package device_test

import (
	"testing"

	"modferry/modbus/profile"
	"modferry/simulator/simulatortest"
)

// What the tests of all rooms share.
var (
	newDevice = simulatortest.Device
	newClock  = simulatortest.NewClock
	ask       = simulatortest.Ask
	number    = simulatortest.Number
)

func xymd02(t testing.TB) *profile.Profile { return simulatortest.Profile(t, "xy-md02") }
