package simulator

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
)

// Config is a checked configuration file of the simulator.
type Config struct {
	Devices []DeviceOptions
	Framing modbus.Framing           // of PTY and Serial
	TCP     string                   // host:port; "" = none
	PTY     string                   // path of the link; "" = none
	Serial  *transport.SerialOptions // nil = none

	Faults  []Fault
	Calls   int // that are kept; 0: [DefaultCalls] with Control, else none
	Clock   *Clock
	Control ControlOptions
}

// LoadConfig reads a configuration file; profiles holds the built-in ones, as
// profiles/<name>.yaml. Folders that the file names are beside it. All mistakes are
// reported at once, as [strictyaml.Problems].
func LoadConfig(file string, profiles fs.FS) (Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return ParseConfig(file, data, profiles)
}

// ParseConfig is [LoadConfig] for a text; file is its name for messages.
func ParseConfig(file string, data []byte, profiles fs.FS) (Config, error) {
	doc := strictyaml.Parse(file, data, strictyaml.Options{Env: os.LookupEnv})
	c := decodeConfig(doc.Root(), file, profiles)
	return c, doc.Err()
}

func decodeConfig(n strictyaml.Node, file string, profiles fs.FS) Config {
	m := n.Map()
	defer m.Done()
	load := profileLoader(m.Get("profiles"), filepath.Dir(file), profiles)
	c := Config{
		Devices: decodeDevices(m.Need("devices"), load),
		TCP:     m.Get("tcp").String(""),
		PTY:     m.Get("pty").String(""),
		Serial:  decodeSerial(m),
		Framing: modbus.RTU,
		Faults:  decodeFaults(m.Get("faults")),
		Calls:   m.Get("calls").Int(0, 1, MaxCalls),
		Clock:   decodeClock(m.Get("clock")),
		Control: decodeControl(m, filepath.Dir(file)),
	}
	if m.Get("mode").OneOf("rtu", "rtu", "ascii") == "ascii" {
		c.Framing = modbus.ASCII
	}
	if _, _, err := net.SplitHostPort(c.TCP); err != nil && c.TCP != "" {
		m.Get("tcp").Problemf("expected host:port such as 127.0.0.1:5020, got %s", m.Get("tcp").Shown())
	}
	if n.IsMap() && c.TCP == "" && c.PTY == "" && c.Serial == nil {
		n.Problemf("nothing reaches the devices: add tcp (127.0.0.1:5020), pty (/tmp/ttyMODBUS) or serial (/dev/ttyUSB1)")
	}
	return c
}

// decodeSerial reads the port and its settings, which are the first device's unless they are given.
func decodeSerial(m *strictyaml.Map) *transport.SerialOptions {
	o := &transport.SerialOptions{
		Path:     m.Get("serial").String(""),
		Baud:     m.Get("baud").Int(0, 50, 4_000_000),
		Parity:   m.Get("parity").OneOf("", "none", "even", "odd", "mark", "space"),
		DataBits: m.Get("data_bits").Int(0, 5, 8),
		StopBits: m.Get("stop_bits").Int(0, 1, 2),
	}
	if o.Path != "" {
		return o
	}
	for _, key := range []string{"baud", "parity", "data_bits", "stop_bits"} {
		if n := m.Get(key); n.Present() {
			n.Problemf("only a serial port has this setting: add serial with its path, or remove this")
		}
	}
	return nil
}

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

func decodeDevices(n strictyaml.Node, load func(name string) (*profile.Profile, error)) []DeviceOptions {
	var devices []DeviceOptions
	items := n.List()
	if n.IsList() && len(items) == 0 {
		n.Problemf("the list is empty: add a device such as {profile: xy-md02, unit: 1}")
	}
	units := map[byte]bool{}
	for _, item := range items {
		d := decodeDevice(item, load)
		if units[d.Unit] && d.Unit != 0 {
			item.Problemf("unit %d is taken by a device above: on one line each needs its own", d.Unit)
		}
		units[d.Unit] = true
		devices = append(devices, d)
	}
	return devices
}

func decodeDevice(n strictyaml.Node, load func(name string) (*profile.Profile, error)) DeviceOptions {
	m := n.Map()
	defer m.Done()
	var d DeviceOptions
	if name := m.Need("profile"); name.Present() {
		p, err := load(name.String(""))
		if err != nil {
			name.Problemf("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		} else {
			d.Profile, d.Unit = p, p.Unit
		}
	}
	d.Unit = byte(m.Get("unit").Int(int(d.Unit), 1, int(modbus.MaxUnit)))
	d.Seed = uint64(m.Get("seed").Int(int(d.Unit), 0, math.MaxInt32))
	return d
}

// Places are where the faces of a configuration are reached; "" where there is none.
type Places struct {
	TCP    string `json:"tcp,omitempty"` // host:port, with the port that was chosen for port 0
	PTY    string `json:"pty,omitempty"` // the link
	Serial string `json:"serial,omitempty"`

	Control string `json:"control,omitempty"` // the URL, such as http://127.0.0.1:8081
}

// Places returns where the faces are that [Open] opened.
func (s *Simulator) Places() Places { return s.places }

// Open returns a simulator with the devices and faces of a configuration, ready to run.
func Open(c Config, log *slog.Logger) (*Simulator, error) {
	if c.Calls == 0 && c.Control.Address != "" {
		c.Calls = DefaultCalls
	}
	s, err := New(Options{Devices: c.Devices, Framing: c.Framing, Logger: log, Clock: c.Clock, Calls: c.Calls})
	if err != nil {
		return nil, err
	}
	if err = s.openFaces(c); err == nil {
		_, err = s.AddFaults(c.Faults...)
	}
	if err != nil {
		_ = s.Close() // what was opened was not used yet
		return nil, err
	}
	return s, nil
}

func (s *Simulator) openFaces(c Config) error {
	if c.TCP != "" {
		address, err := s.ListenTCP(c.TCP)
		if err != nil {
			return err
		}
		s.places.TCP = address.String()
		s.log.Info("virtual devices are on TCP", "address", address)
	}
	if c.PTY != "" {
		path, err := s.OpenPTY(c.PTY)
		if err != nil {
			return err
		}
		s.places.PTY = c.PTY
		s.log.Info("virtual devices are on a pseudo terminal", "link", c.PTY, "path", path)
	}
	if c.Serial == nil {
		return nil
	}
	if err := s.OpenSerial(s.completed(*c.Serial)); err != nil {
		return err
	}
	s.places.Serial = c.Serial.Path
	s.log.Info("virtual devices are on a serial port", "port", c.Serial.Path)
	return nil
}

// completed fills in what is not given from the first device's profile.
func (s *Simulator) completed(o transport.SerialOptions) transport.SerialOptions {
	line := s.devices[0].profile.Serial
	if o.Parity == "" {
		o.Parity = line.Parity
	}
	if o.DataBits == 0 {
		o.DataBits = line.DataBits
	}
	if o.StopBits == 0 {
		o.StopBits = line.StopBits
	}
	return o
}
