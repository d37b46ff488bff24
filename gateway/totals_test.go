package gateway_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// A counter rolls over between two gateways, and while one runs: the total goes on. With
// another expression it begins with the device's own count.
func TestTotalOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	var count atomic.Uint32
	addr := modbusServer(t, func(_ byte, q modbus.PDU) (modbus.PDU, bool) {
		return modbus.PDU{FunctionCode: q.FunctionCode, Data: []byte{2, byte(count.Load() >> 8), byte(count.Load())}}, true
	})
	folder := t.TempDir()
	for _, process := range []struct {
		expression string
		counts     [][2]uint32 // of the device, and the total
	}{
		{"total(pulses, 65536)", [][2]uint32{{65000, 65000}, {65500, 65500}, {64, 65600}}},
		{"total(pulses, 65536)", [][2]uint32{{100, 65636}, {200, 65736}}},
		{"total(pulses)", [][2]uint32{{300, 300}}},
	} {
		count.Store(process.counts[0][0])
		t.Run(fmt.Sprint(process), func(t *testing.T) {
			g := run(t, parse(t, fmt.Sprintf("gateway: w\ndata_dir: %q\nbroker: {mqtt: 127.0.0.1:0}\nbuses: {b: {tcp: %q, timeout: 5s}}\n"+
				"devices: {meter: {bus: b, unit: 1, every: 50ms, payload: value, readings: {pulses: {input: 1, type: uint16}, all: {compute: %q}}}}\n", folder, addr, process.expression)))
			app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
			total := app.Subscribe("modferry/w/device/meter/all", 1)
			for _, c := range process.counts {
				count.Store(c[0])
				total.Await(patience, func(m gatewaytest.Message) bool { return strings.TrimSpace(string(m.Payload)) == fmt.Sprint(c[1]) })
			}
		})
	}
}
