package gateway_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

// A device has holes between its readings. They are found with few requests, and cost
// nothing after that, in the next process as well.
func TestWhatADeviceTaughtOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	meter, err := server.NewDevice(server.DeviceOptions{Spans: []modbus.Span{
		{Table: modbus.InputRegisters, Address: 0, Quantity: 41}, {Table: modbus.InputRegisters, Address: 42, Quantity: 31},
		{Table: modbus.InputRegisters, Address: 76, Quantity: 29}, {Table: modbus.Coils, Address: 0, Quantity: 10},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var requests, refused atomic.Int64
	addr := modbusServer(t, func(unit byte, q modbus.PDU) (modbus.PDU, bool) {
		reply, answer := meter.Handle(unit, q)
		requests.Add(1)
		if modbus.AsException(reply) != nil {
			refused.Add(1)
		}
		return reply, answer
	})
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "gateway: w\ndata_dir: %q\nbroker: {mqtt: 127.0.0.1:0}\nbuses: {b: {tcp: %q, timeout: 5s}}\n"+
		"devices: {meter: {bus: b, unit: 1, every: 200ms, readings: {coil: {coil: 9}", t.TempDir(), addr)
	const words = 25
	for i := range words {
		fmt.Fprintf(&yaml, ", r%d: {input: %d, type: uint16}", i, 4*i)
	}
	yaml.WriteString("}}}\n")
	for process, most := range []int64{2 * 6, 0} { // a bisection of 26 readings for each hole, the first of them fails
		t.Run(fmt.Sprint(process), func(t *testing.T) {
			g := run(t, parse(t, yaml.String()))
			app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
			readings := app.Subscribe("modferry/w/device/meter/+", 1)
			for good := map[string]bool{}; len(good) < words+1; {
				if m := readings.Next(recovery); strings.Contains(string(m.Payload), `"good"`) {
					good[m.Topic] = true
				}
			}
			if n := refused.Swap(0); n > most {
				t.Errorf("%d refused requests until all was read, want at most %d", n, most)
			}
			requests.Store(0)
			const rounds, reads = 5, 4 // three of the registers, one of the coil
			eventually(t, "some rounds more", func() bool { return requests.Load() >= rounds*reads })
			if n := refused.Load(); n > 0 {
				t.Errorf("%d refused requests after that", n)
			}
		})
	}
}
