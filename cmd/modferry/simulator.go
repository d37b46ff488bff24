package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// simulatorFlags describe one virtual device; a configuration file can describe several.
type simulatorFlags struct {
	file, profile    string
	unit             int
	seed             uint64
	tcp, pty, serial string
	json             bool
	log              string
	controlFlags
	faceFlags
}

func simulatorCommand() *cobra.Command {
	var f simulatorFlags
	c := &cobra.Command{
		Use: "simulator [-c FILE]", Short: "Run virtual devices on TCP, UDP, a pseudo terminal, a serial port or MQTT",
		Long: "Runs virtual devices: those of a configuration file (-c), or one of a profile (--profile).\n" +
			"One device state is served on all its faces at once.",
		Example: "  modferry simulator --tcp 127.0.0.1:5020\n" +
			"  modferry simulator --profile xy-md02 --tcp :5020 --pty /tmp/ttyMODBUS\n" +
			"  modferry simulator -c simulator.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(c.ErrOrStderr(), f.log)
			if err != nil {
				return err
			}
			if err := f.fit(c.Flags()); err != nil {
				return err
			}
			all, err := f.open(log)
			if err != nil {
				return err
			}
			if err = f.ready(all.places()); err == nil {
				err = f.greet(c.OutOrStdout(), all)
			}
			if err != nil {
				all.close()
				return err
			}
			return all.run(c.Context())
		},
	}
	s := c.Flags()
	s.StringVarP(&f.file, "config", "c", "", "configuration `FILE`")
	s.StringVar(&f.profile, "profile", "xy-md02", "`NAME` of the device's profile, or a file of your own (NAME.yaml)")
	s.IntVar(&f.unit, "unit", 0, "unit `ID` of the device (default the profile's)")
	s.Uint64Var(&f.seed, "seed", 1, "`NUMBER` that decides how its values move")
	s.StringVar(&f.tcp, "tcp", "", "serve Modbus TCP at `ADDRESS`; \":5020\" is 127.0.0.1:5020, port 0 picks a free one")
	s.StringVar(&f.pty, "pty", "", "create a pseudo terminal and link it at `PATH`")
	s.StringVar(&f.serial, "serial", "", "serve RTU on a serial `PORT`")
	f.faceFlags.register(s)
	s.BoolVar(&f.json, "json", false, "print the addresses as one JSON line")
	f.controlFlags.register(s)
	s.StringVar(&f.log, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	offer(c, "profile", profile.Names(configs.Files)...)
	c.AddCommand(recordCommand())
	return c
}

// fit returns an error for a flag that would mean nothing beside the others.
func (f simulatorFlags) fit(given *pflag.FlagSet) error {
	if f.file != "" {
		for _, name := range []string{
			"profile", "unit", "seed", "tcp", "udp", "rtu-over-tcp", "ascii-over-tcp", "pty", "serial", "mqtt", "mqtt-topics", "mqtt-payload", "pace",
		} {
			if given.Changed(name) {
				return usage("--%s: the configuration file says what the devices are and where they are reached: put it there, or leave out -c", name)
			}
		}
	}
	for _, name := range []string{"mqtt-topics", "mqtt-payload"} {
		if f.mqtt == "" && given.Changed(name) {
			return usage("--%s: there is no MQTT server that it is for: add --mqtt URL, such as mqtt://127.0.0.1:1883", name)
		}
	}
	return nil
}

// open opens the faces; nothing is answered before the simulators run.
func (f simulatorFlags) open(log *slog.Logger) (lines, error) {
	c, err := f.config()
	if err != nil {
		return nil, err
	}
	if err := f.controlFlags.apply(&c); err != nil {
		return nil, err
	}
	all, err := simulator.OpenAll(c, log)
	if err != nil {
		return nil, fmt.Errorf("cannot start the virtual devices: %w", err)
	}
	return withControl(all, c, log)
}

func (f simulatorFlags) config() (simulator.Config, error) {
	if f.file != "" {
		c, err := simulator.LoadConfig(f.file, configs.Files)
		var problems strictyaml.Problems
		if errors.As(err, &problems) {
			return c, &usageError{problems}
		}
		if err != nil {
			return c, usage("%w", err)
		}
		return c, nil
	}
	p, err := f.load()
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		return simulator.Config{}, &usageError{problems}
	}
	if err != nil {
		return simulator.Config{}, usage("--profile: %w", err)
	}
	if f.unit < 0 || f.unit > 247 {
		return simulator.Config{}, usage("--unit %d: it must be 1 to 247", f.unit)
	}
	c := simulator.Config{
		Devices: []simulator.DeviceOptions{{Profile: p, Unit: byte(f.unit), Seed: f.seed}},
		TCP:     f.tcp, PTY: f.pty,
	}
	if f.serial != "" {
		c.Serial = &transport.SerialOptions{Path: f.serial}
	}
	if err := f.faceFlags.apply(&c); err != nil {
		return c, err
	}
	if !c.Reached() {
		return c, usage("nowhere to serve: name --tcp ADDRESS, --pty PATH, --serial PORT, --mqtt URL, or -c FILE; see modferry simulator --help")
	}
	return c, nil
}

// load returns the profile of a name, or of a file of the user's own.
func (f simulatorFlags) load() (*profile.Profile, error) {
	if strings.HasSuffix(f.profile, ".yaml") {
		return profile.LoadFile(f.profile)
	}
	return profile.Load(configs.Files, f.profile)
}

// faceNames are the kinds of faces, for people.
var faceNames = map[string]string{
	simulator.FaceTCP: "Modbus TCP", simulator.FaceTLS: "Modbus TCP, TLS", simulator.FaceUDP: "Modbus UDP",
	simulator.FaceRTUOverTCP: "RTU over TCP", simulator.FaceASCIIOverTCP: "ASCII over TCP",
	simulator.FacePTY: "pseudo terminal", simulator.FaceSerial: "serial port", simulator.FaceMQTT: "MQTT topic",
}

func (f simulatorFlags) greet(out io.Writer, all lines) error {
	if f.json {
		return printPlaces(out, all.places())
	}
	for _, s := range all {
		at := s.places()
		if at.Line != "" {
			fmt.Fprintf(out, "%s\n", at.Line)
		}
		for _, d := range s.Devices() {
			fmt.Fprintf(out, "%s as unit %d\n", d.Profile().Title, d.Unit())
		}
		for _, face := range at.All() {
			fmt.Fprintf(out, "  %-16s %s\n", faceNames[face.Face], face.Where)
		}
		if at.Control != "" {
			fmt.Fprintf(out, "  %-16s %s\n", "control", at.Control)
		}
	}
	_, err := fmt.Fprintln(out, "Ctrl-C ends it.")
	return err
}
