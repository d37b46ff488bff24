package device

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/simulator/replay"
)

// Device is one virtual device. It is safe for concurrent use.
type Device struct {
	profile *profile.Profile
	seed    uint64
	now     func() time.Time
	start   time.Time
	log     *slog.Logger

	recordings *replay.Recordings

	image    *server.Device
	moving   []*motion
	computes bool          // some of them are computed
	unit     atomic.Uint32 // in effect, which its register may not be yet
	baud     atomic.Int64
	fresh    atomic.Int64       // the measured registers are right until this long after start
	pinned   map[string]float64 // guarded by image
	held     map[place]uint16   // likewise; see PinTable
	holds    atomic.Bool
}

// Options of a Device.
type Options struct {
	Profile *profile.Profile
	Unit    byte // 0: the profile's
	Seed    uint64

	Recordings *replay.Recordings // that it replays, which devices may share; nil: its own
}

// never is before every time since start.
const never = math.MinInt64

// New returns a device with the contents of a new one, by the clock now. Error: the
// options describe none that there could be.
func New(o Options, now func() time.Time, log *slog.Logger) (*Device, error) {
	if o.Profile == nil {
		return nil, fmt.Errorf("a virtual device needs a profile")
	}
	unit := o.Unit
	if unit == 0 {
		unit = o.Profile.Unit
	}
	if unit > modbus.MaxUnit {
		return nil, fmt.Errorf("unit %d: a device has a unit id from 1 to %d", unit, modbus.MaxUnit)
	}
	if o.Recordings == nil {
		o.Recordings = replay.New()
	}
	d := &Device{profile: o.Profile, seed: o.Seed, now: now, start: now(), log: log, recordings: o.Recordings, pinned: map[string]float64{}, held: map[place]uint16{}}
	d.fresh.Store(never)
	d.unit.Store(uint32(unit))
	d.baud.Store(int64(o.Profile.Serial.Baud))
	image, err := server.NewDevice(d.options())
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", o.Profile.Name, err)
	}
	d.image = image
	if d.moving, err = d.motions(); err != nil {
		return nil, err
	}
	var failed error
	image.Update(func(t *server.Tables) { failed = d.manufacture(t) })
	return d, failed
}

func (d *Device) options() server.DeviceOptions {
	p := d.profile
	o := server.DeviceOptions{Functions: p.Functions, ServerID: p.ServerID, Identification: p.Identification, Spans: p.Tables[:len(p.Tables):len(p.Tables)]}
	for i := range p.Registers {
		r := &p.Registers[i] // shared by all devices of the profile
		g := server.Guard{
			Span:  r.Span(),
			Check: func(values []uint16) byte { return judge(r, values) },
			Wrote: func(t *server.Tables) { d.wrote(t, r) },
		}
		if r.ReadOnly && r.Refusal != 0 {
			g.Check = func([]uint16) byte { return r.Refusal }
		} else {
			g.ReadOnly = r.ReadOnly
		}
		o.Spans, o.Guards = append(o.Spans, g.Span), append(o.Guards, g)
	}
	return o
}

// manufacture gives every register the content of a new device with this unit id.
func (d *Device) manufacture(t *server.Tables) error {
	for _, r := range d.profile.Registers {
		initial := r.First()
		if r.Role == profile.UnitID {
			initial = register.Number(float64(d.unit.Load()))
		}
		if err := put(t, r.Field, initial); err != nil {
			return fmt.Errorf("profile %s: register %s: %w", d.profile.Name, r.Name, err)
		}
		if r.Role == profile.BaudRate {
			d.baud.Store(int64(r.Meaning(initial.Float())))
		}
	}
	return nil
}

// Unit returns the unit id that is in effect.
func (d *Device) Unit() byte { return byte(d.unit.Load()) }

// Baud returns the speed of its serial line that is in effect, in bits per second.
func (d *Device) Baud() int { return int(d.baud.Load()) }

// Profile returns what the device was made from.
func (d *Device) Profile() *profile.Profile { return d.profile }

// Handle answers a request to the device, whatever unit it names.
func (d *Device) Handle(unit byte, request modbus.PDU) (modbus.PDU, bool) {
	d.measure()
	d.keep()
	reply, answer := d.image.Handle(unit, request)
	if answer && modbus.AsException(reply) == nil && d.beyondLimits(request) {
		reply = modbus.ExceptionPDU(request.FunctionCode, modbus.IllegalDataValue)
	}
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("request handled", "unit", d.Unit(), "request", pduText(request), "reply", pduText(reply), "answered", answer)
	}
	return reply, answer
}

func pduText(p modbus.PDU) string { return fmt.Sprintf("%02X % X", p.FunctionCode, p.Data) }

// Set puts a number into a register that does not move by itself, as the device does
// when something happens to it: an input is switched, an alarm comes up. A block has
// it everywhere. What a write would set off is not.
func (d *Device) Set(name string, number float64) error {
	for _, r := range d.profile.Registers {
		if r.Name != name {
			continue
		}
		if r.Moves() {
			return fmt.Errorf("%s moves by itself: pin it", name)
		}
		d.measure() // what follows this register does so from now on
		var err error
		d.image.Update(func(t *server.Tables) { err = store(t, r.Field, number) })
		return err
	}
	return fmt.Errorf("profile %s has no register %q", d.profile.Name, name)
}

// Value returns what a register holds now, as anyone would read it.
func (d *Device) Value(name string) (register.Value, error) {
	d.measure()
	d.keep()
	for _, r := range d.profile.Registers {
		if r.Name != name {
			continue
		}
		var v register.Value
		var err error
		d.image.View(func(t *server.Tables) { v, err = load(t, r.Field) })
		return v, err
	}
	return register.Value{}, fmt.Errorf("profile %s has no register %q", d.profile.Name, name)
}

// PowerCycle switches the device off and on: what was written and applies at restart
// does so now.
func (d *Device) PowerCycle() {
	d.image.View(func(t *server.Tables) {
		for i := range d.profile.Registers {
			d.apply(t, &d.profile.Registers[i])
		}
	})
}

// wrote is what follows a write to a register; the image is locked.
func (d *Device) wrote(t *server.Tables, r *profile.Register) {
	if r.Corrects != "" {
		d.fresh.Store(never)
	}
	if r.Applies == profile.AtOnce {
		d.apply(t, r)
	} else {
		d.log.Info("register written, applies at the next power cycle", "unit", d.Unit(), "register", r.Name)
	}
}

// apply lets a register take effect; the image is locked.
func (d *Device) apply(t *server.Tables, r *profile.Register) {
	if r.Role == profile.Plain {
		return
	}
	v, err := load(t, r.Field)
	if err != nil {
		return // a number in one register always has a value
	}
	switch r.Role {
	case profile.UnitID:
		d.unit.Store(uint32(r.Meaning(v.Float())))
	case profile.BaudRate:
		d.baud.Store(int64(r.Meaning(v.Float())))
	}
}

// Named returns the values of the profile's registers that lie in a span.
func (d *Device) Named(span modbus.Span) map[string]register.Value {
	names := map[string]register.Value{}
	d.image.View(func(t *server.Tables) {
		for _, r := range d.profile.Registers {
			if s := r.Span(); s.Table != span.Table || int(s.Address) >= span.End() || int(span.Address) >= s.End() {
				continue
			}
			if v, err := load(t, r.Field); err == nil {
				names[r.Name] = v
			}
		}
	})
	return names
}
