package gateway_test

import (
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// A reading is computed from those of its device and of another one, in the forms that
// readings have.
func TestComputedReadings(t *testing.T) {
	d := newDevice(t)
	app := start(t, tcpGateway(d, "")+`
devices:
  pump:
    bus: b
    unit: 1
    every: 100ms
    readings: {power: {input: 150, type: uint16, scale: 0.1}}
  plant:
    bus: b
    unit: 1
    every: 100ms
    payload: value
    readings:
      power: {input: 65, type: uint16}
      sum: {compute: power + pump.power, unit: kW, decimals: 2}
      word: {compute: "plant.state == 'high' ? 'hot' : 'cold'"}
      state: {compute: "sum > 70 ? 1 : 0", enum: {0: low, 1: high}}
`)
	for topic, want := range map[string]string{"plant/sum": "80.00", "plant/state": "high", "plant/word": "hot", "plant/power": "65", "pump/power": `{"value":15,"quality":"good"`} {
		app.Subscribe("modferry/w/device/"+topic, 1).Await(patience, func(m gatewaytest.Message) bool {
			return strings.HasPrefix(string(m.Payload), want)
		})
	}
}
