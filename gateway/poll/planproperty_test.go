package poll

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

var seeds = flag.Int("seeds", 15, "how many random devices are learned")

// anyDevice is a device with random holes, perhaps a limit, and readings of which
// some lie in the holes.
func anyDevice(t *testing.T, r *rand.Rand) (d *picky, has func(modbus.Span) bool, readings []profile.Reading) {
	t.Helper()
	var spans []modbus.Span
	for at := 0; at < 400; at += 1 + r.IntN(12) { // never two that touch
		s := inputs(uint16(at), 1+r.IntN(90))
		spans = append(spans, s)
		at = s.End()
	}
	d = newPicky(t, spans...)
	if r.IntN(2) == 0 {
		d.most = 4 + r.IntN(60)
	}
	most := d.most
	has = func(s modbus.Span) bool {
		return (most == 0 || s.Quantity <= most) && slices.ContainsFunc(spans, func(o modbus.Span) bool { return s.Address >= o.Address && s.End() <= o.End() })
	}
	types := []register.Type{register.Uint16, register.Float32, register.Float64}
	for i := range 1 + r.IntN(120) {
		readings = append(readings, profile.Reading{
			Name: fmt.Sprint("r", i), Every: time.Duration(1+r.IntN(3)) * 10 * time.Second,
			Field: register.Field{Table: modbus.InputRegisters, Address: uint16(r.IntN(400)), Type: types[r.IntN(3)], Bit: -1, Decimals: register.Auto},
		})
	}
	return d, has, readings
}

// Whatever a device refuses: in the end every reading that it has is good, every other
// one is bad, and nothing is refused but those.
func TestAnyDeviceIsLearned(t *testing.T) {
	for seed := range uint64(*seeds) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			d, has, readings := anyDevice(t, r)
			c := pollEvery(10*time.Second, readings)
			c.Limits.Gap = r.IntN(30)
			p := startPolling(t, d, c, nil)
			pass(20 * time.Minute)
			d.since()
			pass(20 * time.Minute)
			requests, refused := d.since()
			lacking := map[string]bool{}
			for _, one := range readings {
				want, s := message.Good, one.Span()
				if !has(s) {
					want = message.Bad
					lacking[fmt.Sprintf("4 %d+%d", s.Address, s.Quantity)] = true
				}
				if q := p.quality(one.Name); q != want {
					t.Errorf("seed %d: %s at %d+%d is %q, want %q", seed, one.Name, s.Address, s.Quantity, q, want)
				}
			}
			for _, what := range refused {
				if !lacking[what] {
					t.Errorf("seed %d: %s is still asked for, and refused", seed, what)
				}
			}
			if len(refused) > 3*len(lacking) {
				t.Errorf("seed %d: %d of %d requests in 20 minutes are refused, for %d readings that are not there", seed, len(refused), len(requests), len(lacking))
			}
		})
	}
}

// The same of devices that keep silent where others refuse, which takes longer.
func TestAnySilentDeviceIsLearned(t *testing.T) {
	for seed := range uint64(*seeds) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			d, has, readings := anyDevice(t, r)
			d.mute = true
			c := pollEvery(10*time.Second, readings)
			c.Limits.Gap = r.IntN(30)
			p := startPolling(t, d, c, nil)
			pass(6 * time.Hour)
			d.change(func(d *picky) { d.silent = 0 })
			pass(time.Hour)
			missing := 0
			for _, one := range readings {
				want, s := message.Good, one.Span()
				if !has(s) {
					want = message.Bad
					missing++
				}
				if q := p.quality(one.Name); q != want {
					t.Errorf("seed %d: %s at %d+%d is %q, want %q", seed, one.Name, s.Address, s.Quantity, q, want)
				}
			}
			d.change(func(d *picky) {
				if d.silent > 6*missing && missing < len(readings) { // else it seems dead
					t.Errorf("seed %d: %d requests in an hour are not answered, for %d readings that are not there", seed, d.silent, missing)
				}
			})
		})
	}
}
