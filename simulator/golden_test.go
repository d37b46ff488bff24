//go:build linux || darwin

package simulator_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/profile/golden"
	"modferry/modbus/register"
	"modferry/simulator"
)

func loaded(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(configs, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The virtual device of each profile, on its line, gives exactly the golden replies.
func TestGoldenFrames(t *testing.T) {
	for _, name := range profile.Names(configs) {
		g, err := golden.Load(configs, name)
		if err != nil {
			t.Error(err)
			continue
		}
		for i, f := range g.Frames {
			t.Run(fmt.Sprintf("%s %d", name, i+1), func(t *testing.T) {
				s, line := ptyLine(t, simulator.Options{Profile: loaded(t, name), Unit: f.Request.Unit})
				d := s.Devices()[0]
				for _, n := range f.Device {
					put(t, d, n)
				}
				talk(t, line, rtu(f.Request.Unit, f.Request.PDU), rtu(f.Reply.Unit, f.Reply.PDU))
				for _, n := range f.After {
					if v, err := d.Value(n.Register); err != nil || v.Float() != n.Value {
						t.Errorf("afterwards %s is %v, %v; want %v", n.Register, v, err, n.Value)
					}
				}
			})
		}
	}
}

// put lets a register hold a value, whether or not it moves by itself.
func put(t testing.TB, d *simulator.Device, n golden.Number) {
	t.Helper()
	for _, r := range d.Profile().Registers {
		if r.Name != n.Register {
			continue
		}
		set := d.Set
		if r.Moves() {
			set = d.Pin
		}
		if err := set(n.Register, n.Value); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("the device has no register %s", n.Register)
}

// Every reading of every profile is answered, by itself and with everything that
// the device measures far from its first moment.
func TestEveryReadingIsAnswered(t *testing.T) {
	for _, name := range profile.Names(configs) {
		c := newClock()
		d := newSimulator(t, simulator.Options{Profile: loaded(t, name), Now: c.now, Seed: 3}).Devices()[0]
		for range 50 {
			for _, r := range d.Profile().Readings {
				checkAnswer(t, d, r)
			}
			c.advance(d.Profile().Every * 7)
		}
	}
}

func checkAnswer(t *testing.T, d *simulator.Device, r profile.Reading) {
	t.Helper()
	code := map[modbus.Table]byte{
		modbus.Coils: modbus.ReadCoils, modbus.DiscreteInputs: modbus.ReadDiscreteInputs,
		modbus.HoldingRegisters: modbus.ReadHoldingRegisters, modbus.InputRegisters: modbus.ReadInputRegisters,
	}[r.Table]
	reply, _ := d.Handle(d.Unit(), modbus.ReadRequest(code, r.Address, uint16(r.Quantity())))
	if e := modbus.AsException(reply); e != nil {
		t.Fatalf("%s: %s gets %v", d.Profile().Name, r.Name, e)
	}
	v, err := r.Decode(reply.Data[1:])
	if err != nil || math.IsInf(v.Float(), 0) {
		t.Fatalf("%s: %s is %v, %v", d.Profile().Name, r.Name, v, err)
	}
}

// The address and the speed of each device that has them in registers change when
// they are written: at once, or after a power cycle, and not before.
func TestEveryDeviceChangesAddressAndSpeed(t *testing.T) {
	const unit = 9
	changed := 0
	for _, name := range profile.Names(configs) {
		for _, r := range loaded(t, name).Registers {
			switch r.Role {
			case profile.UnitID:
				d := written(t, name, r, unit)
				if d.Unit() != unit {
					t.Errorf("%s: unit %d, want %d", name, d.Unit(), unit)
				}
				changed++
			case profile.BaudRate:
				for _, c := range r.Codes {
					if d := written(t, name, r, float64(c.Written)); d.Baud() != int(c.Means) {
						t.Errorf("%s: %d baud by code %d, want %d", name, d.Baud(), c.Written, c.Means)
					}
					changed++
				}
			}
		}
	}
	if changed < 20 {
		t.Errorf("only %d settings were tried", changed)
	}
}

// written returns a device with a number written into a register, after a power cycle
// if it needs one.
func written(t *testing.T, name string, r profile.Register, number float64) *simulator.Device {
	t.Helper()
	d := newSimulator(t, simulator.Options{Profile: loaded(t, name), Unit: 77}).Devices()[0]
	b, err := r.AppendData(nil, register.Number(number))
	if err != nil {
		t.Fatal(err)
	}
	q := modbus.WriteRegistersRequest(r.Address, modbus.Registers(b))
	if r.Quantity() == 1 && slices.Contains(d.Profile().Functions, modbus.WriteSingleRegister) {
		q = modbus.WriteRegisterRequest(r.Address, modbus.Registers(b)[0])
	}
	before := d.Baud()
	if reply, _ := d.Handle(d.Unit(), q); modbus.AsException(reply) != nil {
		t.Fatalf("%s: writing %v into %s gets %v", name, number, r.Name, modbus.AsException(reply))
	}
	if r.Applies == profile.AtRestart {
		if d.Unit() != 77 || d.Baud() != before {
			t.Errorf("%s: %s applies before the power cycle", name, r.Name)
		}
		d.PowerCycle()
	}
	return d
}
