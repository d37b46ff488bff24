package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Places are where the faces of a line are reached; "" where there is none.
type Places struct {
	Line         string `json:"line,omitempty"` // its name, if it has one
	TCP          string `json:"tcp,omitempty"`  // host:port, with the port that was chosen for port 0
	TLS          string `json:"tls,omitempty"`  // likewise
	UDP          string `json:"udp,omitempty"`  // likewise
	RTUOverTCP   string `json:"rtu_over_tcp,omitempty"`
	ASCIIOverTCP string `json:"ascii_over_tcp,omitempty"`
	PTY          string `json:"pty,omitempty"` // the link
	Serial       string `json:"serial,omitempty"`
	MQTT         string `json:"mqtt,omitempty"` // topic of the requests

	Control string `json:"control,omitempty"` // the URL, such as http://127.0.0.1:8081
}

// Place is one of them.
type Place struct{ Face, Where string }

// All returns all that there are, each with its kind of face.
func (p Places) All() []Place {
	all := []Place{
		{FaceTCP, p.TCP}, {FaceTLS, p.TLS}, {FaceUDP, p.UDP}, {FaceRTUOverTCP, p.RTUOverTCP}, {FaceASCIIOverTCP, p.ASCIIOverTCP},
		{FacePTY, p.PTY}, {FaceSerial, p.Serial}, {FaceMQTT, p.MQTT},
	}
	kept := all[:0]
	for _, place := range all {
		if place.Where != "" {
			kept = append(kept, place)
		}
	}
	return kept
}

// Places returns where the faces are that [Open] opened.
func (s *Simulator) Places() Places { return s.places }

// Open returns a simulator with the devices and faces of a configuration of one line,
// ready to run.
func Open(c Config, log *slog.Logger) (*Simulator, error) {
	if len(c.Lines) > 0 {
		return nil, errors.New("the configuration has several lines: open all of them")
	}
	if c.Calls == 0 && c.Control.Address != "" {
		c.Calls = DefaultCalls
	}
	s, err := New(Options{Devices: c.Devices, Framing: c.Framing, Pace: c.Pace, AnyUnit: c.AnyUnit, Logger: log, Clock: c.Clock, Calls: c.Calls})
	if err != nil {
		return nil, err
	}
	s.places.Line = c.Name
	if err = s.openFaces(c); err == nil {
		_, err = s.AddFaults(c.Faults...)
	}
	if err != nil {
		_ = s.Close() // what was opened was not used yet
		return nil, err
	}
	return s, nil
}

// OpenAll returns a simulator for each line of a configuration. They have one clock.
func OpenAll(c Config, log *slog.Logger) ([]*Simulator, error) {
	if c.Clock == nil {
		c.Clock = NewClock(time.Time{})
	}
	var all []*Simulator
	for i, line := range c.All() {
		line.Clock = c.Clock
		one := log
		if line.Name != "" {
			one = log.With("line", line.Name)
		}
		s, err := Open(line, one)
		if err != nil {
			for _, s := range all {
				_ = s.Close() // they were not used yet
			}
			return nil, inLine(err, i, len(c.Lines), line.Name)
		}
		all = append(all, s)
	}
	return all, nil
}

func inLine(err error, i, lines int, name string) error {
	switch {
	case name != "":
		return fmt.Errorf("line %s: %w", name, err)
	case lines > 1:
		return fmt.Errorf("line %d: %w", i+1, err)
	}
	return err
}

// RunAll runs simulators until ctx ends or one fails; see [Simulator.Run].
func RunAll(ctx context.Context, all []*Simulator) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range all {
		group.Go(func() error { return s.Run(ctx) })
	}
	return group.Wait()
}

func (s *Simulator) openFaces(c Config) error {
	stream := func(framing modbus.Framing) func(address string) (net.Addr, error) {
		return func(address string) (net.Addr, error) { return s.ListenStream(address, framing) }
	}
	var secure TLSOptions
	if c.TLS != nil {
		secure = *c.TLS
	}
	for _, f := range []struct {
		kind, address string
		place         *string
		listen        func(address string) (net.Addr, error)
	}{
		{FaceTCP, c.TCP, &s.places.TCP, s.ListenTCP},
		{FaceTLS, secure.Address, &s.places.TLS, func(address string) (net.Addr, error) { return s.ListenTLS(address, secure.ServerTLS) }},
		{FaceUDP, c.UDP, &s.places.UDP, s.ListenUDP},
		{FaceRTUOverTCP, c.RTUOverTCP, &s.places.RTUOverTCP, stream(modbus.RTU)},
		{FaceASCIIOverTCP, c.ASCIIOverTCP, &s.places.ASCIIOverTCP, stream(modbus.ASCII)},
	} {
		if f.address == "" {
			continue
		}
		at, err := f.listen(f.address)
		if err != nil {
			return err
		}
		*f.place = at.String()
		s.log.Info("virtual devices are on the network", "face", f.kind, "address", at)
	}
	return s.openLines(c)
}

// mqttTimeout is how long the server of an MQTT face may take to be reached.
const mqttTimeout = 10 * time.Second

// openLines opens the faces that are serial lines, or stand for them.
func (s *Simulator) openLines(c Config) error {
	if c.PTY != "" {
		path, err := s.OpenPTY(c.PTY)
		if err != nil {
			return err
		}
		s.places.PTY = c.PTY
		s.log.Info("virtual devices are on a pseudo terminal", "link", c.PTY, "path", path)
	}
	if c.Serial != nil {
		if err := s.OpenSerial(s.completed(*c.Serial)); err != nil {
			return err
		}
		s.places.Serial = c.Serial.Path
		s.log.Info("virtual devices are on a serial port", "port", c.Serial.Path)
	}
	if c.MQTT == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), mqttTimeout)
	defer cancel()
	if err := s.OpenMQTT(ctx, *c.MQTT); err != nil {
		return err
	}
	s.places.MQTT = c.MQTT.Request
	s.log.Info("virtual devices are on MQTT", "request", c.MQTT.Request, "response", c.MQTT.Response)
	return nil
}

// completed fills in what is not given from the first device's profile.
func (s *Simulator) completed(o transport.SerialOptions) transport.SerialOptions {
	line := s.devices[0].Profile().Serial
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
