package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator/device"
)

// profileLoader returns what loads a profile by its name: the user's own, if the
// folder n has it, before the built-in one.
func profileLoader(n strictyaml.Node, beside string, builtin fs.FS) func(name string) (*profile.Profile, error) {
	folder := n.String("")
	if folder == "" {
		return func(name string) (*profile.Profile, error) { return profile.Load(builtin, name) }
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(beside, folder)
	}
	if _, err := os.ReadDir(folder); err != nil {
		n.Problemf("cannot read the folder of profiles: %v", err)
	}
	return func(name string) (*profile.Profile, error) {
		p, err := profile.LoadFile(filepath.Join(folder, name+".yaml"))
		if errors.Is(err, fs.ErrNotExist) || filepath.Base(name) != name {
			return profile.Load(builtin, name)
		}
		return p, err
	}
}

// once returns load for names that many devices have: all of them share what it returns.
func once(load func(name string) (*profile.Profile, error)) func(name string) (*profile.Profile, error) {
	type loaded struct {
		p   *profile.Profile
		err error
	}
	known := map[string]loaded{}
	return func(name string) (*profile.Profile, error) {
		l, ok := known[name]
		if !ok {
			l.p, l.err = load(name)
			known[name] = l
		}
		return l.p, l.err
	}
}

func (d *decoder) devices(n strictyaml.Node) []device.Options {
	var devices []device.Options
	items := n.List()
	if n.IsList() && len(items) == 0 {
		n.Problemf("the list is empty: add a device such as {profile: xy-md02, unit: 1}")
	}
	units := map[byte]bool{}
	for _, item := range items {
		o := d.device(item)
		if units[o.Unit] && o.Unit != 0 {
			item.Problemf("unit %d is taken by a device above: on one line each needs its own", o.Unit)
		}
		units[o.Unit] = true
		devices = append(devices, o)
	}
	return devices
}

// device reads a device: of a profile, or described here.
func (d *decoder) device(n strictyaml.Node) device.Options {
	m := n.Map()
	defer m.Done()
	var o device.Options
	if name := m.Get("profile"); name.Present() {
		p, err := d.load(name.String(""))
		if err != nil {
			name.Problemf("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		} else {
			o.Profile, o.Unit = p, p.Unit
		}
	} else {
		o.Profile = d.described(m)
		o.Unit = o.Profile.Unit
	}
	o.Unit = byte(m.Get("unit").Int(int(o.Unit), 1, int(modbus.MaxUnit)))
	o.Seed = uint64(m.Get("seed").Int(int(o.Unit), 0, math.MaxInt32))
	o.Recordings = d.recordings
	o.Recordings.Want(o.Profile)
	d.later = append(d.later, func() {
		if _, err := device.New(o, time.Now, slog.New(slog.DiscardHandler)); err != nil {
			n.Problemf("%v", err)
		}
	})
	return o
}

// described reads a device that is no kind of its own.
func (d *decoder) described(m *strictyaml.Map) *profile.Profile {
	p := profile.DecodeDevice(m)
	p.Locate(d.beside)
	list := m.Get("csv")
	if file := d.path(list.String("")); file != "" {
		registers, err := readRegisters(file)
		if err != nil {
			list.Problemf("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		p.Registers = append(p.Registers, registers...)
	}
	if n := m.Node(); n.IsMap() && !list.Present() && !m.Get("registers").Present() && !m.Get("tables").Present() {
		n.Problemf("nothing says what the device is: add profile, or registers, tables or csv")
	}
	return p
}
