package device

import (
	"errors"
	"fmt"
	"slices"

	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/simulator/match"
)

// assignment gives a name its value, which cannot fail; the image is locked.
type assignment func(t *server.Tables)

// Assign gives registers and readings values by their names, all at one moment or none: what moves
// by itself is pinned, everything else is put into the tables as the device would do
// it. Null is no value, such as of a sensor that is not connected. Error: one line
// for each name that cannot have its value.
func (d *Device) Assign(values map[string]register.Value) error {
	var errs []error
	var steps []assignment
	for _, name := range sortedNames(values) {
		step, err := d.assignment(name, values[name])
		errs, steps = append(errs, err), append(steps, step)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	elapsed := d.elapsed()
	d.image.Update(func(t *server.Tables) {
		for _, step := range steps {
			step(t)
		}
		d.take(t, elapsed)
	})
	return nil
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// assignment returns what gives a name its value.
func (d *Device) assignment(name string, v register.Value) (assignment, error) {
	if r, ok := d.register(name); ok {
		if !r.Moves() {
			return d.placing(name, r.Field, v, false)
		}
		number, err := d.pinnable(r, v)
		return func(*server.Tables) {
			d.unhold(r.Table, r.Address, r.Quantity()) // raw contents would stay in its place
			d.pinned[name] = number
		}, err
	}
	for _, r := range d.profile.Readings {
		if r.Name == name && r.Compute == "" {
			return d.placing(name, r.Field, v, true)
		}
	}
	return nil, fmt.Errorf("%s: profile %s has no register or reading of that name", name, d.profile.Name)
}

// placing returns what puts a value into the tables, and pins it there if pin.
func (d *Device) placing(name string, f register.Field, v register.Value, pin bool) (assignment, error) {
	if f.IsPart() {
		and, or, err := f.Mask(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return func(t *server.Tables) {
			old, _ := t.Get(f.Table, f.Address)
			d.place(t, f.Table, f.Address, []uint16{old&and | or&^and}, pin)
		}, d.has(name, f)
	}
	if f.IsBlock() && v.Items() == nil {
		v = register.List(slices.Repeat([]register.Value{v}, f.Count)) // one value for all places
	}
	b, err := f.AppendData(nil, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values := contents(f, b)
	return func(t *server.Tables) { d.place(t, f.Table, f.Address, values, pin) }, d.has(name, f)
}

func (d *Device) has(name string, f register.Field) error {
	if _, ok := d.ReadTable(f.Table, f.Address, f.Quantity()); !ok {
		return fmt.Errorf("%s: the device does not have its %s from address %d", name, f.Table, f.Address)
	}
	return nil
}

// Release undoes [Device.Assign] for a name: what moves by itself moves again.
func (d *Device) Release(name string) error {
	if r, ok := d.register(name); ok {
		d.UnpinTable(r.Table, r.Address, r.Quantity())
		if r.Moves() {
			return d.Unpin(name)
		}
		return nil
	}
	for _, r := range d.profile.Readings {
		if r.Name == name && r.Compute == "" {
			d.UnpinTable(r.Table, r.Address, r.Quantity())
			return nil
		}
	}
	return fmt.Errorf("%s: profile %s has no register or reading of that name", name, d.profile.Name)
}

// NamedValue is what a register or a reading of the profile shows.
type NamedValue struct {
	Name   string         `json:"name"`
	Value  register.Value `json:"value"` // null: no value, or it cannot be decoded
	Unit   string         `json:"unit,omitempty"`
	Table  string         `json:"table"`
	At     uint16         `json:"address"`
	Moves  bool           `json:"moves"`
	Pinned bool           `json:"pinned"`
}

// Values returns all registers of the device and the readings that are not among
// them, as anyone would read them now.
func (d *Device) Values() []NamedValue {
	d.measure()
	d.keep()
	var all []NamedValue
	d.image.View(func(t *server.Tables) {
		for _, r := range d.profile.Registers {
			all = append(all, d.shown(t, r.Name, r.Field, r.Moves()))
		}
		for _, r := range d.profile.Readings {
			i := slices.IndexFunc(all, func(v NamedValue) bool { return v.Name == r.Name })
			if i < 0 && r.Compute == "" {
				all, i = append(all, d.shown(t, r.Name, r.Field, false)), len(all)
			}
			if i >= 0 {
				all[i].Unit = r.Unit
			}
		}
	})
	return all
}

func (d *Device) shown(t *server.Tables, name string, f register.Field, moves bool) NamedValue {
	v, _ := load(t, f) // an error is no value
	_, pinned := d.pinned[name]
	for i := range f.Quantity() {
		_, held := d.held[place{f.Table, f.Address + uint16(i)}]
		pinned = pinned || held
	}
	return NamedValue{Name: name, Value: v, Table: match.TableName(f.Table), At: f.Address, Moves: moves, Pinned: pinned}
}

func (d *Device) register(name string) (profile.Register, bool) {
	for _, r := range d.profile.Registers {
		if r.Name == name {
			return r, true
		}
	}
	return profile.Register{}, false
}

// PlaceOf returns where a register or a reading lies, which the device has.
func (d *Device) PlaceOf(name string) register.Field {
	if r, ok := d.register(name); ok {
		return r.Field
	}
	for _, r := range d.profile.Readings {
		if r.Name == name {
			return r.Field
		}
	}
	return register.Field{}
}
