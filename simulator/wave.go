package simulator

import (
	"hash/fnv"
	"math"
	"time"

	"modferry/modbus/profile"
	"modferry/modbus/server"
)

// sampling is how often a register without a wave is brought to the present.
const sampling = time.Second

// measure brings the registers that move to the present, if a new sample is due.
// All of one moment change in one step.
func (d *Device) measure() {
	elapsed := max(0, d.now().Sub(d.start))
	if int64(elapsed) < d.fresh.Load() {
		return
	}
	d.image.Update(func(t *server.Tables) {
		next := int64(math.MaxInt64)
		for _, r := range d.profile.Registers {
			if !r.Moves() {
				continue
			}
			every := sampling
			if r.Wave != nil {
				every = r.Wave.Sample
			}
			n := elapsed / every
			next = min(next, int64((n+1)*every))
			// A sum that the register cannot hold leaves the last value standing.
			_ = store(t, r.Field, clamp(d.sample(r, int64(n))+d.correction(t, r.Name), r))
		}
		d.fresh.Store(next)
	})
}

// sample returns what a register that moves measures at its n-th sample.
func (d *Device) sample(r profile.Register, n int64) float64 {
	if v, pinned := d.pinned[r.Name]; pinned {
		return v
	}
	if r.Wave == nil {
		return clamp(r.Initial+r.Rises*(time.Duration(n)*sampling).Hours(), r)
	}
	return clamp(wave(r.Wave, r.Name, d.seed, n), r)
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

func clamp(v float64, r profile.Register) float64 { return min(max(v, r.Min), r.Max) }

// wave returns the n-th sample of a wave.
func wave(w *profile.Wave, name string, seed uint64, n int64) float64 {
	t := time.Duration(n) * w.Sample
	turns := math.Mod(float64(t)/float64(w.Period), 1)
	return w.Mean + w.Amplitude*math.Sin(2*math.Pi*turns) + w.Noise*noise(name, seed, n)
}

// noise returns a number from -1 to 1 that depends on nothing but its arguments:
// one step of SplitMix64, which spreads neighbouring numbers over all bits.
func noise(name string, seed uint64, n int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	z := (seed ^ h.Sum64()) + uint64(n+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11)/(1<<52) - 1
}
