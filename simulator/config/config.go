package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modferry/configs/plainfile"
	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
	"modferry/simulator/call"
	"modferry/simulator/clock"
	"modferry/simulator/device"
	"modferry/simulator/dtu"
	"modferry/simulator/fault"
	"modferry/simulator/replay"
)

// Config is a checked configuration file of the simulator: a line of devices and its
// faces, or several such lines.
type Config struct {
	Name    string // of the line, for people
	Devices []device.Options
	Framing modbus.Framing // of PTY, Serial and MQTT
	Pace    bool           // see the simulator's options
	AnyUnit bool           // likewise

	TCP          string                   // host:port; "" = none
	UDP          string                   // likewise
	RTUOverTCP   string                   // likewise
	ASCIIOverTCP string                   // likewise
	TLS          *TLSOptions              // nil = none
	PTY          string                   // path of the link; "" = none
	Serial       *transport.SerialOptions // nil = none
	MQTT         *dtu.Options             // nil = none

	Faults  []fault.Fault
	Calls   int // that are kept; 0: [call.Default] with Control, else none
	Clock   *clock.Clock
	Control ControlOptions

	Lines []Config // instead of all above but Clock; the lines have no lines
}

// Load reads a configuration file; profiles holds the built-in ones, as
// profiles/<name>.yaml. Folders and files that it names are beside it. All mistakes
// are reported at once, as [strictyaml.Problems].
func Load(file string, profiles fs.FS) (Config, error) {
	data, err := plainfile.ReadMost(file, strictyaml.MaxSize)
	if err != nil {
		return Config{}, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(file, data, profiles)
}

// Parse is [Load] for a text; file is its name for messages.
func Parse(file string, data []byte, profiles fs.FS) (Config, error) {
	doc := strictyaml.Parse(file, data, strictyaml.Options{Env: os.LookupEnv})
	d := decoder{beside: filepath.Dir(file), recordings: replay.New()}
	c := d.decode(doc.Root(), profiles)
	if doc.Err() == nil {
		for _, check := range d.later {
			check()
		}
	}
	return c, doc.Err()
}

// decoder reads a configuration.
type decoder struct {
	beside string // the folder of its files
	load   func(name string) (*profile.Profile, error)
	later  []func() // what is checked once everything is as it should be written

	recordings *replay.Recordings // that the devices replay
}

func (d *decoder) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.beside, name)
}

func (d *decoder) decode(n strictyaml.Node, profiles fs.FS) Config {
	m := n.Map()
	defer m.Done()
	d.load = once(profileLoader(m.Get("profiles"), d.beside, profiles))
	all := decodeClock(m.Get("clock"))
	lines := m.Get("lines")
	if !lines.Present() {
		c := d.line(m)
		c.Clock = all
		return c
	}
	c := Config{Clock: all}
	for _, item := range lines.List() {
		one := item.Map()
		for _, key := range []string{"clock", "profiles"} {
			if one.Has(key) {
				one.Get(key).Problemf("all lines have the same %s: put it beside lines", key)
			}
		}
		c.Lines = append(c.Lines, d.line(one))
		one.Done()
	}
	if lines.IsList() && len(c.Lines) == 0 {
		lines.Problemf("the list is empty: add a line such as {devices: [{profile: xy-md02}], tcp: 127.0.0.1:5020}")
	}
	for _, key := range lineKeys {
		if m.Has(key) {
			m.Get(key).Problemf("the file has lines, and each line has its own %s: put it into one of them, beside its devices", key)
		}
	}
	return c
}

// lineKeys are those of a line, which a file has itself if it has no lines.
var lineKeys = []string{
	"name", "devices", "tcp", "udp", "tls", "rtu_over_tcp", "ascii_over_tcp", "pty", "serial", "baud", "parity", "data_bits", "stop_bits", "mqtt",
	"mode", "pace", "any_unit", "faults", "calls", "control", "control_token_file",
}

// line reads a line of devices.
func (d *decoder) line(m *strictyaml.Map) Config {
	c := Config{
		Name:    m.Get("name").String(""),
		Devices: d.devices(m.Need("devices")),
		Framing: modbus.RTU,
		Pace:    m.Get("pace").Bool(false),
		AnyUnit: m.Get("any_unit").Bool(false),
		Faults:  fault.DecodeList(m.Get("faults")),
		Calls:   m.Get("calls").Int(0, 1, call.Max),
		Control: decodeControl(m, d.beside),
	}
	if m.Get("mode").OneOf("rtu", "rtu", "ascii") == "ascii" {
		c.Framing = modbus.ASCII
	}
	if c.AnyUnit && len(c.Devices) > 1 {
		m.Get("any_unit").Problemf("there are several devices, and nothing would tell which one answers: keep one, or remove this")
	}
	d.faces(m, &c)
	return c
}

// All returns the lines of the configuration, of which it may be one itself.
func (c Config) All() []Config {
	if len(c.Lines) == 0 {
		return []Config{c}
	}
	return c.Lines
}
