package device

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"modferry/modbus/compute"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
)

// newFormula returns what a register that is computed from others holds, NaN if
// nothing can be computed.
func (d *Device) newFormula(r *profile.Register, m *profile.Formula) (truth, error) {
	e, err := compute.Compile(m.Expression, d.scope(r.Name))
	if err != nil {
		return nil, err
	}
	if e.Result().IsText() {
		return nil, errors.New("what it is computed to is a text, not a number")
	}
	fields := map[string]register.Field{}
	for _, name := range e.Inputs() {
		fields[name] = d.field(name)
	}
	return func(t *server.Tables, _ int64) float64 {
		v, err := e.Value(func(name string) register.Value {
			v, err := load(t, fields[name])
			if err != nil {
				return register.Value{} // no value
			}
			return v
		})
		if on, isBool := v.Bool(); err == nil && isBool {
			if on {
				return 1
			}
			return 0
		}
		if err != nil || !v.IsNumber() {
			return math.NaN()
		}
		return v.Float()
	}, nil
}

// scope returns what a register can be computed from: all others.
func (d *Device) scope(name string) compute.Scope {
	s := compute.Scope{KindOf: func(name string) compute.Kind { return compute.KindOf(d.field(name)) }}
	for _, r := range d.profile.Registers {
		if r.Name != name {
			s.Names = append(s.Names, r.Name)
		}
	}
	return s
}

// ordered returns the motions so that whatever is computed comes after what it is
// computed from. The error names registers that are computed from each other.
func (d *Device) ordered(all []*motion) ([]*motion, error) {
	var done, waiting []*motion
	for _, m := range all {
		if _, computed := m.Model.(*profile.Formula); computed {
			waiting = append(waiting, m)
		} else {
			done = append(done, m)
		}
	}
	d.computes = len(waiting) > 0
	for len(waiting) > 0 {
		left := slices.DeleteFunc(slices.Clone(waiting), func(m *motion) bool {
			free := !slices.ContainsFunc(waiting, func(other *motion) bool { return slices.Contains(d.inputs(m), other.Name) })
			if free {
				done = append(done, m)
			}
			return free
		})
		if len(left) == len(waiting) {
			return nil, fmt.Errorf("profile %s: registers are computed from each other: %s", d.profile.Name, strings.Join(namesOf(left), ", "))
		}
		waiting = left
	}
	return done, nil
}

// inputs returns the registers that one is computed from.
func (d *Device) inputs(m *motion) []string {
	f, computed := m.Model.(*profile.Formula)
	if !computed {
		return nil
	}
	e, err := compute.Compile(f.Expression, d.scope(m.Name))
	if err != nil {
		return nil // it was compiled before
	}
	return e.Inputs()
}

func namesOf(all []*motion) []string {
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names
}
