package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator/call"
	"modferry/simulator/device"
	"modferry/simulator/event"
	"modferry/simulator/fault"
	"modferry/simulator/match"
	"modferry/simulator/replay"
)

// Options of a Simulator: one device, or several on one line.
type Options struct {
	Profile *profile.Profile // of the one device
	Unit    byte             // its unit id; 0: the profile's
	Seed    uint64           // of its values

	Devices []DeviceOptions // further devices; with these, Profile may be nil

	Framing modbus.Framing   // on pseudo terminals and serial ports: modbus.RTU or modbus.ASCII; 0: RTU
	AnyUnit bool             // with one device: it answers all unit ids over TCP, TLS and UDP
	Pace    bool             // lines that have no speed are as slow as the first device's serial line
	Logger  *slog.Logger     // nil: silent
	Now     func() time.Time // nil: the Clock's
	Clock   *Clock           // nil, and Now is nil: a new one that shows the present
	Calls   int              // how many calls are kept, see [Simulator.Calls]; 0: none
}

// Simulator is a line of virtual devices and the faces it is reached by.
type Simulator struct {
	log     *slog.Logger
	framing modbus.Framing
	paced   bool
	anyUnit bool
	devices []*Device
	now     func() time.Time
	clock   *Clock // nil: now is someone else's

	faults    fault.List
	calls     *call.Log // nil: none are kept
	listeners event.Listeners

	mu     sync.Mutex
	state  state
	faces  []face
	places Places
}

type state uint8

const (
	opening state = iota // faces may be added
	running
	closed
)

// face is one way to the devices.
type face interface {
	// serve serves until ctx ends, and closes the face.
	serve(ctx context.Context) error
	// close gives up what is held, for a face that is not or no longer served.
	close() error
	// restarted tells that devices may have another baud rate now.
	restarted()
	// kind is what faults need to know of it.
	kind() match.Kind
}

// New returns a simulator without faces; add them and call Run.
func New(o Options) (*Simulator, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil && o.Clock == nil {
		o.Clock = NewClock(time.Time{})
	}
	if o.Now == nil {
		o.Now = o.Clock.Now
	}
	all := o.Devices
	if o.Profile != nil || len(all) == 0 {
		all = append([]DeviceOptions{{Profile: o.Profile, Unit: o.Unit, Seed: o.Seed}}, all...)
	}
	all = sharing(all)
	s := &Simulator{log: o.Logger, framing: o.Framing, paced: o.Pace, anyUnit: o.AnyUnit, now: o.Now, clock: o.Clock, calls: call.New(o.Calls)}
	s.faults.Tell = func(name, what string) {
		s.Tell(event.Event{Kind: "fault", Data: event.Fault{Name: name, What: what}})
	}
	for _, one := range all {
		d, err := device.New(one, o.Now, o.Logger)
		if err != nil {
			return nil, err
		}
		if s.Device(d.Unit()) != nil {
			return nil, fmt.Errorf("two devices have unit %d: on one line each needs its own", d.Unit())
		}
		s.devices = append(s.devices, d)
	}
	return s, nil
}

// sharing lets devices that replay files read each of them once.
func sharing(devices []DeviceOptions) []DeviceOptions {
	own := replay.New()
	all := slices.Clone(devices)
	for i := range all {
		if all[i].Recordings == nil {
			all[i].Recordings = own
		}
		all[i].Recordings.Want(all[i].Profile)
	}
	return all
}

// Devices returns all devices in their order.
func (s *Simulator) Devices() []*Device { return slices.Clone(s.devices) }

// Device returns the device that has the unit id now, nil if there is none. Of
// several that were given the same one, the first answers.
func (s *Simulator) Device(unit byte) *Device {
	for _, d := range s.devices {
		if d.Unit() == unit {
			return d
		}
	}
	return nil
}

// Pin holds what the first device measures, such as its temperature; see [device.Device.Pin].
func (s *Simulator) Pin(name string, value float64) error { return s.devices[0].Pin(name, value) }

// Unpin lets the first device's value move again.
func (s *Simulator) Unpin(name string) error { return s.devices[0].Unpin(name) }

// PowerCycle switches all devices off and on. Written unit ids and baud rates apply
// from now on; a serial port changes to the first device's baud rate.
func (s *Simulator) PowerCycle() { s.PowerCycleDevice(s.devices...) }

// PowerCycleDevice is PowerCycle for some of the devices.
func (s *Simulator) PowerCycleDevice(devices ...*Device) {
	for _, d := range devices {
		d.PowerCycle()
		s.log.Info("device restarted", "unit", d.Unit(), "baud", d.Baud())
		s.Tell(event.Event{Kind: "power", Data: event.Power{Unit: d.Unit()}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faces {
		f.restarted()
	}
}

// Run serves all faces until ctx ends or one fails, closes them, and returns when
// the last one is done. The error is nil if ctx ended it. A Simulator runs once.
func (s *Simulator) Run(ctx context.Context) error {
	s.mu.Lock()
	started, faces := s.state == opening, s.faces
	if started {
		s.state = running
	}
	s.mu.Unlock()
	switch {
	case !started:
		return errors.New("the simulator runs already, or was closed")
	case len(faces) == 0:
		return errors.New("the simulator has no face: add TCP, a pseudo terminal or a serial port")
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range faces {
		group.Go(func() error { return f.serve(ctx) })
	}
	err := group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.closeFaces())
}

// Close closes the faces of a simulator that was not run. One that runs is ended by
// its context instead.
func (s *Simulator) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == running {
		return nil
	}
	return s.closeFaces()
}

func (s *Simulator) closeFaces() error {
	s.state = closed
	var errs []error
	for _, f := range s.faces {
		errs = append(errs, f.close())
	}
	s.faces = nil
	return errors.Join(errs...)
}

// add takes a face that open opens, as long as that is possible.
func (s *Simulator) add(open func() (face, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != opening {
		return errors.New("the simulator runs already, or was closed: add faces before")
	}
	f, err := open()
	if err != nil {
		return err
	}
	s.faces = append(s.faces, f)
	return nil
}

// Clock returns the clock of the devices, nil if Options.Now is in its place.
func (s *Simulator) Clock() *Clock { return s.clock }

// onLine answers what is said on a serial line of a speed; baud 0 stands for a line
// on which the speed does not matter. Who listens at another speed hears nothing.
func (s *Simulator) onLine(baud int, unit byte, request modbus.PDU) (modbus.PDU, bool) {
	for _, d := range s.devices {
		if baud != 0 && d.Baud() != baud {
			continue
		}
		if unit == modbus.Broadcast {
			d.Handle(unit, request)
		} else if d.Unit() == unit {
			return d.Handle(unit, request)
		}
	}
	return modbus.PDU{}, false
}

// onTCP answers what comes over TCP.
func (s *Simulator) onTCP(unit byte, request modbus.PDU) (modbus.PDU, bool) {
	if d := s.overTCP(unit); d != nil {
		return d.Handle(unit, request)
	}
	return modbus.PDU{}, false
}

// overTCP returns the device that a unit id means over TCP, nil if there is none.
func (s *Simulator) overTCP(unit byte) *Device {
	if (unit == modbus.TCPUnit || unit == 0 || s.anyUnit) && len(s.devices) == 1 {
		return s.devices[0] // [TCP 4.4.2]
	}
	return s.Device(unit)
}
