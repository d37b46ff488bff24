package device

import (
	"math"
	"slices"
	"time"

	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/simulator/chance"
)

// longestWalk bounds what a walk catches up with in one measurement, some
// milliseconds of computing; what was before stands still.
const longestWalk = 1 << 20 // samples

// walk is a register that goes up or down at random.
type walk struct {
	*profile.Register
	step float64
	seed uint64
	n    int64 // x is its n-th sample
	x    float64
}

func (w *walk) at(n int64) float64 {
	w.n = max(w.n, n-longestWalk)
	for ; w.n < n; w.n++ {
		x := w.x + w.step*chance.Noise(w.Name, w.seed, w.n)
		if x > w.Max {
			x = 2*w.Max - x
		}
		if x < w.Min {
			x = 2*w.Min - x
		}
		w.x = clamp(x, w.Register)
	}
	return w.x
}

// thermal is a temperature that comes nearer to its target. What it is depends on
// when the target changed, and not on when it is asked.
type thermal struct {
	*profile.Thermal
	target, from float64
	since        int64 // the sample at which it was from, and the target the present one
	last         int64
}

func (d *Device) newThermal(m *profile.Thermal) truth {
	follows, switched := d.field(m.Follows), d.field(m.Switch)
	x := thermal{Thermal: m, target: m.Ambient, from: m.Ambient}
	return func(t *server.Tables, n int64) float64 {
		target := m.Ambient
		if m.Switch == "" || numberIn(t, switched) != 0 {
			target = numberIn(t, follows)
		}
		return x.at(n, target)
	}
}

// at returns the n-th sample, from the last measured one on with this target.
func (x *thermal) at(n int64, target float64) float64 {
	if target != x.target {
		x.from, x.since, x.target = x.value(x.last), x.last, target
	}
	x.last = max(x.last, n)
	return x.value(x.last)
}

func (x *thermal) value(n int64) float64 {
	gone := time.Duration(n-x.since) * x.Sample
	return x.target + (x.from-x.target)*math.Exp(-gone.Seconds()/x.Tau.Seconds())
}

// field returns where a register lies.
func (d *Device) field(name string) register.Field {
	i := slices.IndexFunc(d.profile.Registers, func(r profile.Register) bool { return r.Name == name })
	if i < 0 {
		return register.Field{}
	}
	return d.profile.Registers[i].Field
}

// numberIn returns the number that a field holds, 1 for a bit that is on; 0 if there is none.
func numberIn(t *server.Tables, f register.Field) float64 {
	v, err := load(t, f)
	if on, isBool := v.Bool(); isBool && on {
		return 1
	}
	if err != nil || !v.IsNumber() {
		return 0
	}
	return v.Float()
}
