package config

import (
	"slices"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/profile"
)

func (d *decoder) devices(n strictyaml.Node, buses []Bus) []Device {
	var devices []Device
	for _, e := range n.Map().Entries() {
		checkKey(e)
		devices = append(devices, d.device(e, buses))
	}
	checkComputed(n, devices)
	return devices
}

func (d *decoder) device(e strictyaml.Entry, buses []Bus) Device {
	m := e.Value.Map()
	defer m.Done()
	v := Device{Name: e.Name}
	bus := m.Need("bus")
	unit, own := m.Get("unit"), m.Get("readings")
	p, usable := d.profile(m.Get("profile"))
	v.Profile, v.Model, v.Functions = p.Name, p.Title, p.Functions
	v.Title, _ = m.Get("title").Text()
	v.Limits = limits(m.Get("limits"), m.Get("max_gap"), p.Limits)
	v.Bus, v.Unit = deviceBus(bus, unit, buses, p.Unit)
	if !unit.Present() && p.Unit == 0 && usable {
		unit.Problemf("the key is missing: add unit, the address of the device on its bus")
	}
	v.Every = m.Get("every").Duration(p.Every, profile.MinEvery, 0)
	v.Heartbeat = m.Get("heartbeat").Duration(p.Heartbeat, profile.MinHeartbeat, 0)
	v.Payload = m.Get("payload").OneOf("json", "json", "value", "hex", "binary")
	v.Group = m.Get("group").Bool(false)
	v.Readings = slices.Concat(p.Readings, profile.DecodeReadings(own))
	if m.Node().Present() && usable && len(v.Readings) == 0 {
		m.Node().Problemf("the device has nothing to read: add a profile, or readings")
	}
	checkReadings(own, p)
	checkLimits(m, v)
	checkClasses(m, v)
	return v
}

// limits reads what one read request may ask for; max_gap is another place for gap.
func limits(n, gap strictyaml.Node, def profile.Limits) profile.Limits {
	l := profile.DecodeLimits(n, def)
	if gap.Present() && n.IsMap() && n.Map().Get("gap").Present() {
		gap.Problemf("the gap is given twice: keep one of max_gap and limits.gap")
	}
	l.Gap = gap.Int(l.Gap, 0, profile.MaxGap)
	return l
}

// checkLimits reports readings that no request within the limits can read.
func checkLimits(m *strictyaml.Map, d Device) {
	for _, r := range d.Readings {
		most, what := d.Limits.Registers, "registers"
		if r.Table.IsBits() {
			most, what = d.Limits.Bits, "bits"
		}
		if r.Compute == "" && r.Check() == nil && r.Quantity() > most {
			m.Get("limits").Problemf("reading %s takes %d %s, and one request may have %d: raise limits.%s, or make the reading smaller", r.Name, r.Quantity(), what, most, what)
		}
	}
}

// deviceBus reads which bus a device is on, and its unit there.
func deviceBus(n, unit strictyaml.Node, buses []Bus, def byte) (string, byte) {
	min, max := 0, 255
	name, ok := n.Text()
	i := slices.IndexFunc(buses, func(b Bus) bool { return b.Name == name })
	switch {
	case ok && i < 0:
		n.Problemf("there is no bus %s%s", n.Shown(), known(n, busNames(buses)))
	case ok && buses[i].isSerialLine(): // 0 is everybody, above 247 nobody [Serial 2.2]
		min, max = 1, int(modbus.MaxUnit)
	}
	return name, byte(unit.Int(int(def), min, max))
}

// known says which name was meant, or which there are.
func known(n strictyaml.Node, names []string) string {
	if meant := didYouMean(n, names); meant != "" || len(names) == 0 {
		return meant
	}
	return ": known are " + strings.Join(names, ", ")
}

func busNames(buses []Bus) []string {
	names := make([]string, len(buses))
	for i, b := range buses {
		names[i] = b.Name
	}
	return names
}

// checkReadings: every reading has a topic of its own.
func checkReadings(own strictyaml.Node, p profile.Profile) {
	if !own.IsMap() {
		return
	}
	for _, e := range own.Map().Entries() {
		if slices.ContainsFunc(p.Readings, func(r profile.Reading) bool { return r.Name == e.Name }) {
			e.Key.Problemf("profile %s has a reading of this name: choose another", p.Name)
		}
	}
}
