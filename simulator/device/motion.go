package device

import (
	"fmt"
	"math"
	"time"

	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/simulator/chance"
	"modferry/simulator/replay"
)

// motion is a register that moves by itself.
type motion struct {
	*profile.Register
	profile.Sensor
	truth
	recorded *replay.Replay // nil: it is not replayed
}

// truth returns what the n-th sample would be without the sensor; n never gets less.
// The image is locked.
type truth func(t *server.Tables, n int64) float64

// motions returns all registers of the device that move, in the order in which they
// are measured.
func (d *Device) motions() ([]*motion, error) {
	var all []*motion
	for i := range d.profile.Registers {
		r := &d.profile.Registers[i]
		if !r.Moves() {
			continue
		}
		truth, err := d.newTruth(r)
		if err != nil {
			return nil, fmt.Errorf("profile %s: register %s: %w", d.profile.Name, r.Name, err)
		}
		m := &motion{Register: r, Sensor: r.Model.Measured(), truth: truth}
		if model, ok := r.Model.(*profile.Replay); ok {
			m.recorded, _ = d.recordings.Replay(model) // its truth was made of it
		}
		all = append(all, m)
	}
	return d.ordered(all)
}

func (d *Device) newTruth(r *profile.Register) (truth, error) {
	every := r.Model.Measured().Sample
	plain := func(at func(elapsed time.Duration) float64) (truth, error) {
		return func(_ *server.Tables, n int64) float64 { return at(time.Duration(n) * every) }, nil
	}
	switch m := r.Model.(type) {
	case *profile.Wave:
		return plain(func(at time.Duration) float64 { return m.Mean + m.Amplitude*math.Sin(2*math.Pi*turns(at, m.Period)) })
	case *profile.Saw:
		return plain(func(at time.Duration) float64 { return m.From + (m.To-m.From)*turns(at, m.Period) })
	case *profile.Ramp:
		return plain(func(at time.Duration) float64 { return m.From + (m.To-m.From)*min(1, float64(at)/float64(m.Over)) })
	case *profile.Steps:
		return plain(func(at time.Duration) float64 { return step(m, at) })
	case *profile.Counter:
		return plain(func(at time.Duration) float64 { return count(r, m, at) })
	case *profile.Walk:
		w := &walk{Register: r, step: m.Step, seed: d.seed, x: r.Initial}
		return func(_ *server.Tables, n int64) float64 { return w.at(n) }, nil
	case *profile.Thermal:
		return d.newThermal(m), nil
	case *profile.Formula:
		return d.newFormula(r, m)
	case *profile.Replay:
		rows, err := d.recordings.Replay(m)
		if err != nil {
			return nil, err
		}
		return plain(rows.At)
	}
	return nil, fmt.Errorf("nothing is known about %T", r.Model)
}

// turns returns how much of a period is over, from 0 to 1.
func turns(at, period time.Duration) float64 {
	return math.Mod(float64(at)/float64(period), 1)
}

func step(m *profile.Steps, at time.Duration) float64 {
	i := int64(at / m.Every)
	if n := int64(len(m.Values)); m.Loop {
		i %= n
	} else {
		i = min(i, n-1)
	}
	return m.Values[i]
}

func count(r *profile.Register, m *profile.Counter, at time.Duration) float64 {
	n := r.Initial + m.Rises*at.Hours()
	if !m.Rolls || n <= r.Max {
		return n
	}
	lowest := 0.0
	if !math.IsInf(r.Min, 0) {
		lowest = r.Min
	}
	return lowest + math.Mod(n-lowest, r.Max-lowest+smallest(r))
}

// smallest returns by how much a register's number can change at least.
func smallest(r *profile.Register) float64 {
	if r.Scale == 0 {
		return 1
	}
	return math.Abs(r.Scale)
}

func (d *Device) elapsed() time.Duration { return max(0, d.now().Sub(d.start)) }

// measure brings the registers that move to the present, if a new sample is due.
// All of one moment change in one step.
func (d *Device) measure() {
	elapsed := d.elapsed()
	if int64(elapsed) < d.fresh.Load() && !d.computes { // what is computed follows each write at once
		return
	}
	d.image.Update(func(t *server.Tables) { d.take(t, elapsed) })
}

// take takes a sample of all registers that move, and puts back what is pinned. The
// image is locked.
func (d *Device) take(t *server.Tables, elapsed time.Duration) {
	next := int64(math.MaxInt64)
	for _, m := range d.moving {
		n := elapsed / m.Sample
		next = min(next, int64((n+1)*m.Sample))
		// A sum that the register cannot hold leaves the last value standing.
		_ = put(t, m.Field, m.value(int64(n), clamp(d.sample(t, m, int64(n))+d.correction(t, m.Name), m.Register)))
	}
	d.fresh.Store(next)
	d.restore(t)
}

// sample returns what a register that moves measures at its n-th sample.
func (d *Device) sample(t *server.Tables, m *motion, n int64) float64 {
	truth := m.truth(t, n) // even if it is pinned, as what happens goes on
	if v, pinned := d.pinned[m.Name]; pinned {
		return v
	}
	if m.Noise > 0 {
		truth += m.Noise * chance.Noise(m.Name, d.seed, n)
	}
	if m.Resolution > 0 {
		truth = math.Round(truth/m.Resolution) * m.Resolution
	}
	return clamp(truth, m.Register)
}

// value returns a number that is measured at the n-th sample, with all the digits that
// a recording has of it.
func (m *motion) value(n int64, number float64) register.Value {
	if m.recorded != nil && m.Noise == 0 && m.Resolution == 0 {
		if v, ok := m.recorded.Exactly(time.Duration(n)*m.Sample, number); ok {
			return v
		}
	}
	return register.Number(number)
}

// correction returns what is added to a measured register.
func (d *Device) correction(t *server.Tables, name string) (sum float64) {
	for _, r := range d.profile.Registers {
		if r.Corrects != name {
			continue
		}
		if v, err := load(t, r.Field); err == nil {
			sum += v.Float()
		}
	}
	return sum
}

func clamp(v float64, r *profile.Register) float64 { return min(max(v, r.Min), r.Max) }
