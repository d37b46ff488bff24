package gateway_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// setYAML is a bus that is read-only, and readings of each kind that can be set.
func setYAML(addr string) string {
	return fmt.Sprintf(`gateway: w
buses: {b: {tcp: %q, timeout: 300ms}}
devices:
  d:
    bus: b
    unit: 1
    every: 1h
    readings:
      setpoint: {holding: 10, type: int16, scale: 0.1, unit: "°C", deadband: 5, set: {min: -10, max: 30, step: 0.1}}
      checked: {holding: 11, type: uint16, set: {min: 0, max: 100, verify: true}}
      power: {holding: 20, type: float32, order: little-swap, set: {min: 0, max: 1e6}}
      mode: {holding: 12, type: uint16, enum: {0: "off", 5: heat}, set: {}}
      pump: {holding: 13, bit: 3, set: {}}
      level: {holding: 13, bits: 4-7, set: {min: 0, max: 15, verify: true}}
      valve: {coil: 1, set: {}}
      valves: {coil: 4, count: 3, set: {}}
      label: {holding: 30, type: string, count: 4, set: {}}
      fixed: {holding: 14, type: uint16}
`, addr)
}

// brokers are the ways a gateway can be connected.
var brokers = []struct{ name, version string }{
	{"embedded", "3.1.1"}, {"embedded", "5"}, {"mosquitto", "3.1.1"}, {"mosquitto", "5"}, {"NATS", "3.1.1"},
}

// everywhere runs a test with each broker and version of the gateway; begin starts it.
func everywhere(t *testing.T, test func(t *testing.T, begin func(yaml string) *gatewaytest.Peer)) {
	for _, b := range brokers {
		t.Run(b.name+", MQTT "+b.version, func(t *testing.T) {
			t.Parallel()
			test(t, func(yaml string) *gatewaytest.Peer { return startWith(t, b.name, b.version, yaml) })
		})
	}
}

// startWith starts a gateway with one of the brokers.
func startWith(t *testing.T, broker, version, yaml string) *gatewaytest.Peer {
	t.Helper()
	var url string
	switch broker {
	case "embedded":
		return start(t, fmt.Sprintf("mqtt: {version: %q}\n", version)+yaml)
	case "mosquitto":
		url = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}).URL()
	case "NATS":
		url = gatewaytest.NATS(t, 1).URL(0)
	}
	return startAt(t, url, fmt.Sprintf("mqtt: {url: %q, version: %q}\n", url, version)+yaml)
}

// results subscribes the results of all sets.
func results(app *gatewaytest.Peer) *gatewaytest.Inbox {
	return app.Subscribe("modferry/w/device/+/+/set/result", 1)
}

// set publishes a value and returns its result.
func set(t *testing.T, app *gatewaytest.Peer, in *gatewaytest.Inbox, reading, payload string) string {
	t.Helper()
	app.Publish("modferry/w/device/d/"+reading+"/set", 1, false, payload)
	m := in.Next(patience)
	if m.Retained || m.Topic != "modferry/w/device/d/"+reading+"/set/result" {
		t.Errorf("the result came on %s, retained %v", m.Topic, m.Retained)
	}
	return string(m.Payload)
}

func TestSet(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, begin func(string) *gatewaytest.Peer) {
		d := newPLC(t)
		app := begin(setYAML(d.addr))
		in, audit := results(app), app.Subscribe("modferry/w/audit", 1)
		for _, c := range []struct{ reading, payload, result, line, audit string }{
			{"setpoint", "21.5", `{"ok":true,"value":21.5,"outcome":"done"}`, "06000A00D7", `{"bus":"b","client":"d/setpoint","unit":1,"function":6,"address":10,"values":[215],"outcome":"done"}`},
			{"setpoint", `{"id":1,"value":-3}`, `{"id":1,"ok":true,"value":-3,"outcome":"done"}`, "06000AFFE2", ""},
			{"setpoint", `{"id":"a","value":30.1}`, `{"id":"a","ok":false,"error":{"code":"denied"},"outcome":"refused"}`, "", `{"bus":"b","client":"d/setpoint","unit":1,"outcome":"refused","code":"denied"}`},
			{"setpoint", "21.55", `{"ok":false,"error":{"code":"denied"},"outcome":"refused"}`, "", ""},
			{"setpoint", "NaN", `{"ok":false,"error":{"code":"invalid"},"outcome":"refused"}`, "", ""},
			{"setpoint", "1e400", `{"ok":false,"error":{"code":"invalid"},"outcome":"refused"}`, "", ""},
			{"setpoint", "", `{"ok":false,"error":{"code":"empty"},"outcome":"refused"}`, "", `{"bus":"b","client":"d/setpoint","outcome":"refused","code":"empty"}`},
			{"setpoint", `{"id":2,"value":21.5,"x":"` + strings.Repeat("x", 2000) + `"}`, `{"id":2,"ok":false,"error":{"code":"too_large"},"outcome":"refused"}`, "", ""},
			{"setpoint", `{"id":3,"value":`, `{"id":3,"ok":false,"error":{"code":"bad_json"},"outcome":"refused"}`, "", ""},
			{"setpoint", `{"id":4,"value":21,"expires":"2020-01-01T00:00:00Z"}`, `{"id":4,"ok":false,"error":{"code":"expired"},"outcome":"refused"}`, "", `{"outcome":"refused","code":"expired"}`},
			{"checked", "7", `{"ok":true,"value":7,"outcome":"done"}`, "06000B0007", ""},
			{"power", "12.375", `{"ok":true,"value":12.375,"outcome":"done"}`, "1000140002040000" + "4146", ""},
			{"mode", "heat", `{"ok":true,"value":"heat","outcome":"done"}`, "06000C0005", ""},
			{"mode", `{"id":5,"value":"cool"}`, `{"id":5,"ok":false,"error":{"code":"denied"},"outcome":"refused"}`, "", ""},
			{"pump", "ON", `{"ok":true,"value":true,"outcome":"done"}`, "16000DFFF70008", `{"function":22,"address":13,"values":[65527,8],"outcome":"done"}`},
			{"level", "9", `{"ok":true,"value":9,"outcome":"done"}`, "16000DFF0F0090", ""},
			{"valve", "true", `{"ok":true,"value":true,"outcome":"done"}`, "050001FF00", ""},
			{"valves", "[true,false,true]", `{"ok":true,"value":[true,false,true],"outcome":"done"}`, "0F000400030105", ""},
			{"label", "line 1", `{"ok":true,"value":"line 1","outcome":"done"}`, "10001E0004086C696E65203100" + "00", ""},
			{"fixed", `{"id":6,"value":1}`, `{"id":6,"ok":false,"error":{"code":"denied"},"outcome":"refused"}`, "", `{"bus":"b","client":"d/fixed","outcome":"refused","code":"denied"}`},
			{"nothing", `{"id":7,"value":1}`, `{"id":7,"ok":false,"error":{"code":"invalid"},"outcome":"refused"}`, "", `{"client":"d/nothing","outcome":"refused","code":"invalid"}`},
		} {
			before := d.requests()
			includes(t, set(t, app, in, c.reading, c.payload), c.result)
			if got := strings.Join(d.since(before), " "); got != c.line {
				t.Errorf("%s %.60s: %q on the line, want %q", c.reading, c.payload, got, c.line)
			}
			if m := audit.Next(patience); c.audit != "" {
				includes(t, string(m.Payload), c.audit)
			}
		}
		app.Publish("modferry/w/device/other/setpoint/set", 1, false, `{"id":8,"value":1}`)
		includes(t, string(in.Next(patience).Payload), `{"id":8,"ok":false,"error":{"code":"invalid"},"outcome":"refused"}`)
		bus := app.Subscribe("modferry/w/bus/b/response/me", 1)
		app.Publish("modferry/w/bus/b/request/me", 1, false, `{"id":9,"unit":1,"function":6,"address":10,"values":[1]}`)
		includes(t, string(bus.Next(patience).Payload), `{"id":9,"ok":false,"error":{"code":"denied"}}`) // the bus is read-only all the same
	})
}

// What was set is published at once, also within the deadband, and of a device that is
// read once an hour.
func TestSetIsPublishedAtOnce(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	app := start(t, setYAML(d.addr))
	in, readings := results(app), app.Subscribe("modferry/w/device/d/setpoint", 1)
	readings.Await(patience, func(m gatewaytest.Message) bool { return strings.Contains(string(m.Payload), `"value":0,`) })
	for _, value := range []string{"0.1", "0.2", "-0.1"} {
		set(t, app, in, "setpoint", value)
		if m := readings.Next(patience); !strings.Contains(string(m.Payload), `"value":`+value+`,`) || !strings.Contains(string(m.Payload), `"good"`) {
			t.Errorf("after %s was set, %s is published", value, m.Payload)
		}
	}
}

// Some bits of a register are changed by function 22, and without it by reading and
// writing the register; what the device does not have is asked for once.
func TestSetOfBits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		functions []byte
		first     string // on the line, of a pump that is set; with the read
		second    string
	}{
		{"function 22", nil, "16000DFFF70008", "16000DFFF70000"},
		{"without function 22", []byte{3, 6, 16, 1}, "16000DFFF70008 03000D0001 06000D0F08", "03000D0001 06000D0F00"},
		{"without functions 22 and 6", []byte{3, 16, 1}, "16000DFFF70008 03000D0001 06000D0F08 10000D0001020F08", "03000D0001 10000D0001020F00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newPLC(t, c.functions...)
			if _, ok := d.Handle(1, modbus.WriteRegistersRequest(13, []uint16{0x0F00})); !ok {
				t.Fatal("the register has no content")
			}
			app := start(t, fmt.Sprintf("gateway: w\nbuses: {b: {tcp: %q}}\ndevices: {d: {bus: b, unit: 1, every: 1h, readings: {pump: {holding: 13, bit: 3, set: {}}}}}\n", d.addr))
			in, readings := results(app), app.Subscribe("modferry/w/device/d/pump", 1)
			readings.Next(patience) // the only poll
			for i, want := range []string{c.first, c.second} {
				d.mu.Lock()
				d.seen = nil
				d.mu.Unlock()
				value := []string{"on", "off"}[i]
				includes(t, set(t, app, in, "pump", value), fmt.Sprintf(`{"ok":true,"value":%t,"outcome":"done"}`, i == 0))
				readings.Next(patience) // after the poll of what was set
				d.mu.Lock()
				got := strings.Join(d.seen, " ")
				d.mu.Unlock()
				if !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s on the line, want %s", value, got, want)
				}
			}
		})
	}
}

// Many change different bits of a register at the same time, through a connection that
// carries several transactions: no change is lost.
func TestSetOfBitsLosesNoNeighbour(t *testing.T) {
	t.Parallel()
	d := newPLC(t, 3, 6)
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "gateway: w\nbuses: {b: {tcp: %q, in_flight: 8, queue: 256}}\ndevices:\n  d:\n    bus: b\n    unit: 1\n    every: 1h\n    readings:\n", d.addr)
	for bit := range 16 {
		fmt.Fprintf(&yaml, "      bit%d: {holding: 13, bit: %d, set: {}}\n", bit, bit)
	}
	app := start(t, yaml.String())
	in := results(app)
	for round := range 10 {
		on := round%2 == 0
		for bit := range 16 {
			app.Publish(fmt.Sprintf("modferry/w/device/d/bit%d/set", bit), 1, false, fmt.Sprint(on))
		}
		for range 16 {
			includes(t, string(in.Next(patience).Payload), fmt.Sprintf(`{"ok":true,"value":%t}`, on))
		}
		reply, _ := d.Handle(1, modbus.ReadRequest(modbus.ReadHoldingRegisters, 13, 1))
		if got := modbus.Registers(reply.Data[1:])[0]; (got == 0xFFFF) != on || (got == 0) == on {
			t.Fatalf("after all bits were set to %t the register holds %04X", on, got)
		}
	}
}

// What the device confirms and does not do is told where verify asks for it, and what
// it confirms otherwise always.
func TestSetVerify(t *testing.T) {
	t.Parallel()
	d := newPLC(t)
	var now atomic.Value
	now.Store("")
	d.begin(func(_ byte, p modbus.PDU, honest func() modbus.PDU) (modbus.PDU, bool) {
		write, mode := modbus.IsWrite(p.FunctionCode), now.Load()
		switch {
		case mode == "ignores" && write:
			return p, true
		case mode == "limits" && write:
			return modbus.WriteRegisterRequest(modbus.Registers(p.Data)[0], 50), true
		case mode == "deaf after" && !write, mode == "deaf" && write:
			return modbus.PDU{}, false
		case mode == "shy" && !write:
			return modbus.ExceptionPDU(p.FunctionCode, modbus.ServerDeviceBusy), true
		case mode == "strict" && write:
			return modbus.ExceptionPDU(p.FunctionCode, modbus.IllegalDataValue), true
		case mode == "failing" && write:
			return modbus.ExceptionPDU(p.FunctionCode, modbus.ServerDeviceFailure), true
		}
		return honest(), true
	})
	app := start(t, setYAML(d.addr))
	in := results(app)
	first := app.Subscribe("modferry/w/device/d/checked", 1)
	first.Next(patience) // no poll is under way when the device changes
	for _, c := range []struct{ mode, reading, want, says string }{
		{"", "checked", `{"ok":true,"value":60,"outcome":"done"}`, ""},
		{"ignores", "checked", `{"ok":false,"value":60,"error":{"code":"exception"},"outcome":"done"}`, "holds 60 and not 61"},
		{"ignores", "setpoint", `{"ok":true,"value":2,"outcome":"done"}`, ""},
		{"limits", "checked", `{"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`, "does not repeat"},
		{"limits", "setpoint", `{"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`, "does not repeat"},
		{"shy", "checked", `{"ok":false,"error":{"code":"exception","exception":6},"outcome":"done"}`, "read back"},
		{"strict", "checked", `{"ok":false,"error":{"code":"exception","exception":3},"outcome":"refused"}`, "illegal data value"},
		{"failing", "checked", `{"ok":false,"error":{"code":"exception","exception":4},"outcome":"unknown"}`, ""},
		{"deaf after", "checked", `{"ok":false,"error":{"code":"timeout"},"outcome":"done"}`, "read back"},
		{"deaf", "checked", `{"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`, ""},
		{"deaf", "setpoint", `{"ok":false,"error":{"code":"timeout"},"outcome":"unknown"}`, ""},
	} {
		t.Run(c.mode+" "+c.reading, func(t *testing.T) {
			now.Store(c.mode)
			payload := map[string]string{"setpoint": "2", "checked": "61"}[c.reading]
			if c.mode == "" {
				payload = "60"
			}
			before := d.requests()
			reply := set(t, app, in, c.reading, payload)
			includes(t, reply, c.want)
			if !strings.Contains(reply, c.says) {
				t.Errorf("%s does not say %q", reply, c.says)
			}
			if writes := d.since(before); len(writes) != 1 {
				t.Errorf("%d writes on the line: %s", len(writes), writes)
			}
		})
	}
}
