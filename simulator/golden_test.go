//go:build linux || darwin

package simulator_test

import (
	"fmt"
	"testing"

	"modferry/modbus/profile"
	"modferry/modbus/profile/golden"
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
