package device_test

import (
	"math"
	"slices"
	"testing"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

// Every reading of every profile is answered, by itself and with everything that
// the device measures far from its first moment.
func TestEveryReadingIsAnswered(t *testing.T) {
	for _, name := range profile.Names(configs.Files) {
		c := newClock()
		d := newDevice(t, device.Options{Profile: simulatortest.Profile(t, name), Seed: 3}, c.Now)
		for range 50 {
			for _, r := range d.Profile().Readings {
				checkAnswer(t, d, r)
			}
			c.Advance(d.Profile().Every * 7)
		}
	}
}

func checkAnswer(t *testing.T, d *device.Device, r profile.Reading) {
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
	for _, name := range profile.Names(configs.Files) {
		for _, r := range simulatortest.Profile(t, name).Registers {
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
func written(t *testing.T, name string, r profile.Register, number float64) *device.Device {
	t.Helper()
	d := newDevice(t, device.Options{Profile: simulatortest.Profile(t, name), Unit: 77}, nil)
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
