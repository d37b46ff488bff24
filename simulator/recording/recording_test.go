package recording_test

import (
	"testing"
	"time"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
	"modferry/simulator/recording"
)

// silentAt is a holding register at which the device is silent.
const silentAt = 49

// everything is a device with all kinds of values, holes, and limits.
const everything = `tcp: 127.0.0.1:0
devices:
  - unit: 3
    registers:
      sine: {input: 0, type: float32, wave: {mean: 20, amplitude: 5, period: 1m, noise: 0.3}}
      tooth: {input: 2, type: int16, scale: 0.01, saw: {from: -5, to: 5, period: 17s, noise: 0.1}}
      walk: {input: 3, type: int32, order: little-swap, min: -1000, max: 1000, walk: {step: 50}}
      oven: {input: 5, type: float64, thermal: {follows: setpoint, tau: 20s, ambient: 20, noise: 0.05}}
      energy: {input: 9, type: uint32, scale: 0.1, rises: 900000, max: 100, rolls_over: true}
      setpoint: {holding: 0, type: uint16, initial: 60}
      curve: {holding: 1, type: uint16, count: 40, initial: 7}
      name: {holding: 50, type: string, count: 4, initial: "PUMP 1"}
      far: {holding: 0xFFFF, type: uint16, initial: 0xBEEF}
      door: {discrete: 0, steps: {values: [0, 1], every: 7s}}
      pump: {coil: 5, initial: 1}
faults:
  - {functions: [3], addresses: 41-42, exception: 4}
  - {functions: [3], addresses: 49, drop: request}
  - {functions: [3], quantities: 17-125, exception: 3}
`

var allOfEverything = spans(
	modbus.Span{Table: modbus.InputRegisters, Address: 0, Quantity: 14},
	modbus.Span{Table: modbus.HoldingRegisters, Address: 0, Quantity: 60},
	modbus.Span{Table: modbus.HoldingRegisters, Address: 0xFFFE, Quantity: 2},
	modbus.Span{Table: modbus.DiscreteInputs, Address: 0, Quantity: 3},
	modbus.Span{Table: modbus.Coils, Address: 0, Quantity: 10},
)

// questions are reads inside, across and outside of what there is.
func questions() (all []modbus.PDU) {
	for _, q := range []struct {
		function          byte
		address, quantity uint16
	}{
		{4, 0, 11}, {4, 0, 2}, {4, 3, 2}, {4, 2, 1}, {4, 5, 4}, {4, 9, 2}, {4, 11, 1}, {4, 10, 2}, {4, 500, 1},
		{3, 0, 16}, {3, 0, 17}, {3, 25, 16}, {3, 40, 1}, {3, 40, 2}, {3, 41, 1}, {3, 42, 1}, {3, 43, 1}, {3, 50, 4}, {3, 53, 2}, {3, 0xFFFF, 1}, {3, 0xFFFE, 1},
		{2, 0, 1}, {2, 1, 1}, {2, 0, 2}, {1, 5, 1}, {1, 4, 1}, {1, 5, 2},
	} {
		all = append(all, modbus.ReadRequest(q.function, q.address, q.quantity))
	}
	return all
}

// same holds the replies of two devices against each other, in steps of their clocks.
func same(t *testing.T, one, other *bench, unit byte, all []modbus.PDU, step time.Duration, steps int) {
	t.Helper()
	for i := range steps {
		for _, q := range all {
			if a, b := one.reply(t, unit, q), other.reply(t, unit, q); a != b {
				t.Fatalf("after %v, %02X % X: the device says % X, the recording % X", time.Duration(i)*step, q.FunctionCode, q.Data, a, b)
			}
		}
		for _, b := range []*bench{one, other} {
			if err := b.clock.Step(step); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The recording says what the device said, byte by byte, at any moment of it.
func TestRecordingSaysTheSame(t *testing.T) {
	device := open(t, "x.yaml", []byte(everything))
	c, dir := device.record(t, recording.Options{Unit: 3, Spans: allOfEverything, Every: time.Second, Count: 90})
	if c.Rows != 90 || c.End != recording.Completed || c.Length != 89*time.Second || c.Moving == 0 || c.Gapped != 0 {
		t.Errorf("%d rows, %s after %v, %d moving, gaps %v", c.Rows, c.End, c.Length, c.Moving, c.Gaps)
	}
	same(t, open(t, "x.yaml", []byte(everything)), replay(t, dir), 3, questions(), 250*time.Millisecond, 4*90)
	again := replay(t, dir)
	if got := again.reply(t, 3, modbus.ReadRequest(3, 49, 1)); got != "silence" {
		t.Errorf("where the device was silent: % X", got)
	}
}

// A recording of a profile has its names and types, and begins again when it is over.
func TestRecordingOfProfiles(t *testing.T) {
	for _, name := range profile.Names(configs.Files) {
		t.Run(name, func(t *testing.T) {
			text := []byte("tcp: :0\ndevices: [{profile: " + name + ", unit: 9}]")
			p, err := profile.Load(configs.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			c, dir := open(t, "x.yaml", text).record(t, recording.Options{Unit: 9, Profile: p, Every: time.Second, For: 20 * time.Second})
			if c.Rows != 20 {
				t.Errorf("%d rows", c.Rows)
			}
			var reads []modbus.PDU
			for _, r := range p.Registers {
				reads = append(reads, modbus.ReadRequest(r.Table.ReadFunction(), r.Address, uint16(r.Quantity())))
			}
			again := replay(t, dir)
			same(t, open(t, "x.yaml", text), again, 9, reads, 500*time.Millisecond, 40)
			same(t, open(t, "x.yaml", text), again, 9, reads, 500*time.Millisecond, 40)
			for _, r := range p.Registers {
				if _, err := again.Devices()[0].Value(r.Name); err != nil && !r.IsText() {
					t.Error(err)
				}
			}
		})
	}
}

// The device is only read.
func TestNothingIsWritten(t *testing.T) {
	device := open(t, "x.yaml", []byte(everything))
	device.record(t, recording.Options{Unit: 3, Spans: allOfEverything, Count: 3})
	all, _, err := device.Calls(simulator.CallFilter{}, 10000)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 30 {
		t.Errorf("only %d calls", len(all))
	}
	for _, call := range all {
		if f := call.Request[1]; f < 1 || f > 4 {
			t.Errorf("function %d was asked for: % X", f, call.Request)
		}
	}
}
