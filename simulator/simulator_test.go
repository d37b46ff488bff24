package simulator_test

import (
	"bytes"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

func TestAddressAndBaudApplyAtPowerCycle(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	d := s.Device(1)
	ask(t, d, "10 0101 0002 04 0008 0002")
	if d.Unit() != 1 || d.Baud() != 9600 {
		t.Errorf("unit %d, %d baud before the power cycle", d.Unit(), d.Baud())
	}
	ask(t, d, "060103000A")
	s.PowerCycle()
	if d.Unit() != 8 || d.Baud() != 19200 || s.Device(1) != nil || s.Device(8) != d {
		t.Errorf("unit %d, %d baud after the power cycle", d.Unit(), d.Baud())
	}
	if got := ask(t, d, "0301010003"); got != "03060008"+"4B00"+"000A" {
		t.Errorf("registers after the power cycle: %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	p := xymd02(t)
	for name, o := range map[string]simulator.Options{
		"no profile":       {},
		"unit 248":         {Profile: p, Unit: 248},
		"the same unit":    {Profile: p, Devices: []simulator.DeviceOptions{{Profile: p}}},
		"nothing to build": {Devices: []simulator.DeviceOptions{{Unit: 3}}},
	} {
		if _, err := simulator.New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// Two runs with the same seed and clock say the same, byte by byte, and another seed
// does not.
func TestTranscripts(t *testing.T) {
	p, err := profile.Parse("x.yaml", []byte(`
title: x
readings: {none: {coil: 999}}
registers:
  sine: {input: 0, type: float32, wave: {mean: 20, amplitude: 5, period: 1m, noise: 0.3}}
  tooth: {input: 2, type: int16, scale: 0.01, saw: {from: -5, to: 5, period: 17s, noise: 0.1, sample: 100ms}}
  walk: {input: 3, type: int32, order: little-swap, min: -1000, max: 1000, walk: {step: 50}}
  setpoint: {holding: 0, type: uint16, initial: 60}
  oven: {input: 5, type: float64, thermal: {follows: setpoint, tau: 20s, ambient: 20, noise: 0.05, resolution: 0.0625}}
  energy: {input: 9, type: uint32, scale: 0.1, rises: 900, max: 100, rolls_over: true}
  door: {discrete: 0, steps: {values: [0, 1], every: 7s}}
`))
	if err != nil {
		t.Fatal(err)
	}
	transcript := func(seed uint64) []byte {
		c := newClock()
		s := newSimulator(t, simulator.Options{Profile: p, Unit: 1, Seed: seed, Now: c.Now})
		m, err := s.Memory(modbus.RTU)
		if err != nil {
			t.Fatal(err)
		}
		run(t, s)
		line := m.Transporter(patience)
		defer line.Close()
		var said []byte
		for i := range 300 {
			for _, pdu := range []modbus.PDU{
				modbus.ReadRequest(4, 0, 11), modbus.ReadRequest(2, 0, 1), {FunctionCode: 6, Data: []byte{0, 0, 0, byte(50 + i/100)}},
			} {
				reply, err := line.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: pdu}))
				if err != nil {
					t.Fatal(err)
				}
				said = append(said, reply...)
			}
			c.Advance(730 * time.Millisecond)
		}
		return said
	}
	one := transcript(1)
	if again := transcript(1); !bytes.Equal(one, again) {
		t.Error("two runs with the same seed say different things")
	}
	if bytes.Equal(one, transcript(2)) {
		t.Error("another seed says the same")
	}
}
