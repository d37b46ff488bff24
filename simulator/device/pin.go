package device

import (
	"fmt"
	"math"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
)

// Pin holds what a register that moves measures at a value, before any correction,
// until [Device.Unpin]. NaN is no value, such as of a sensor that is not connected.
// Error: the register does not move, or cannot have that value.
func (d *Device) Pin(name string, value float64) error {
	r, err := d.measured(name)
	if err != nil {
		return err
	}
	if err := d.checkPin(r, value); err != nil {
		return err
	}
	d.image.Update(func(*server.Tables) {
		d.pinned[name] = value
		d.fresh.Store(never)
	})
	return nil
}

// Unpin lets a register move again.
func (d *Device) Unpin(name string) error {
	if _, err := d.measured(name); err != nil {
		return err
	}
	d.image.Update(func(*server.Tables) {
		delete(d.pinned, name)
		d.fresh.Store(never)
	})
	return nil
}

func (d *Device) measured(name string) (profile.Register, error) {
	if r, ok := d.register(name); ok && r.Moves() {
		return r, nil
	}
	return profile.Register{}, fmt.Errorf("profile %s measures no %q", d.profile.Name, name)
}

// pinnable returns the number that a register that moves can be pinned at, 1 for a bit
// that is true.
func (d *Device) pinnable(r profile.Register, v register.Value) (float64, error) {
	if v.IsNull() || v.IsNumber() {
		return v.Float(), d.checkPin(r, v.Float())
	}
	if _, err := r.AppendData(nil, v); err != nil {
		return 0, fmt.Errorf("%s: %w", r.Name, err)
	}
	if on, _ := v.Bool(); on {
		return 1, d.checkPin(r, 1)
	}
	return 0, d.checkPin(r, 0)
}

// checkPin returns nil if a register that moves can be pinned at a value, and then
// shows it.
func (d *Device) checkPin(r profile.Register, value float64) error {
	switch {
	case math.IsNaN(value) && len(r.NoData) == 0:
		return fmt.Errorf("%s cannot be without a value: nothing means that there is none", r.Name)
	case value < r.Min && math.IsInf(r.Max, 1):
		return fmt.Errorf("%s cannot be %v: it is at least %v", r.Name, value, r.Min)
	case value > r.Max && math.IsInf(r.Min, -1):
		return fmt.Errorf("%s cannot be %v: it is at most %v", r.Name, value, r.Max)
	case value < r.Min || value > r.Max:
		return fmt.Errorf("%s cannot be %v: it is from %v to %v", r.Name, value, r.Min, r.Max)
	case math.IsNaN(value):
		return nil
	}
	if _, err := r.AppendData(nil, register.Number(value)); err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	var correction float64
	d.image.View(func(t *server.Tables) { correction = d.correction(t, r.Name) })
	if _, err := r.AppendData(nil, register.Number(clamp(value+correction, &r))); err != nil {
		return fmt.Errorf("%s: with its correction of %v, %w", r.Name, correction, err)
	}
	return nil
}

// Overwritten returns the name of a register that moves and has one of these
// addresses, whose contents last until its next sample if they are not pinned.
func (d *Device) Overwritten(span modbus.Span) (name string, yes bool) {
	d.image.View(func(*server.Tables) {
		for _, m := range d.moving {
			s := m.Span()
			for i := range s.Quantity {
				p := place{s.Table, s.Address + uint16(i)}
				if _, held := d.held[p]; !held && p.table == span.Table && p.address >= span.Address && int(p.address) < span.End() {
					name, yes = m.Name, true
				}
			}
		}
	})
	return name, yes
}
