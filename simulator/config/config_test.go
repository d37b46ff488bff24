package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
	"modferry/simulator/config"
	"modferry/simulator/fault"
)

func TestShippedConfiguration(t *testing.T) {
	c, err := config.Load("../../configs/simulator.yaml", configs.Files)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Devices) != 2 || c.Devices[1].Unit != 2 || c.Devices[1].Seed != 2 || c.TCP == "" || c.PTY == "" || c.Serial != nil {
		t.Errorf("%+v", c)
	}
}

func TestConfig(t *testing.T) {
	c, err := config.Parse("x.yaml", []byte(`
devices: [{profile: xy-md02}, {profile: xy-md02, unit: 9, seed: 4}]
serial: /dev/ttyUSB1
baud: 19200
parity: even
mode: ascii
`), configs.Files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Devices[0].Unit != 1 || c.Devices[0].Seed != 1 || c.Devices[1].Unit != 9 || c.Devices[1].Seed != 4 {
		t.Errorf("devices %+v", c.Devices)
	}
	if want := (&transport.SerialOptions{Path: "/dev/ttyUSB1", Baud: 19200, Parity: "even"}); !reflect.DeepEqual(c.Serial, want) || c.Framing != modbus.ASCII {
		t.Errorf("%+v, %v", c.Serial, c.Framing)
	}
}

func TestConfigProblems(t *testing.T) {
	for text, want := range map[string]string{
		"tcp: :5020":                                                                                   "add devices",
		"devices: []\ntcp: :1":                                                                         "the list is empty",
		"devices: [{profile: xy-md03}]\ntcp: :1":                                                       ", xy-md02, ",
		"devices: [{unit: 3}]\ntcp: :1":                                                                "add profile",
		"devices: [{profile: xy-md02}]":                                                                "nothing reaches the devices",
		"devices: [{profile: xy-md02}]\ntcp: 5020":                                                     "host:port",
		"devices: [{profile: xy-md02}, {profile: xy-md02}]\ntcp: :1":                                   "unit 1 is taken",
		"devices: [{profile: xy-md02, unit: 248}]\ntcp: :1":                                            "from 1 to 247",
		"devices: [{profile: xy-md02}]\ntcp: :1\nbaud: 9600":                                           "baud: only a serial port has this setting",
		"devices: [{profile: xy-md02}]\ntcp: :1\nmode: tcp":                                            "rtu or ascii",
		"devices: [{profile: xy-md02}]\ntcp: :1\nptty: /tmp/x":                                         "did you mean pty?",
		"devices: [{profile: xy-md02, sed: 1}]\ntcp: :1":                                               "did you mean seed?",
		"devices: [{profile: xy-md02}]\nserial: /dev/x\nparity: odds":                                  "did you mean odd?",
		"devices: {profile: xy-md02}\ntcp: :1":                                                         "a list",
		"devices: [{profile: xy-md02, seed: -1}]\ntcp: :1":                                             "seed",
		"devices: [{profile: xy-md02}]\nudp: 5020":                                                     "host:port",
		"devices: [{profile: xy-md02}]\ntls: {listen: :1, cert: a}":                                    "add key",
		"devices: [{profile: xy-md02}]\ntls: {listen: :1, cert: a, key: b}":                            "cannot read the certificate",
		"devices: [{profile: xy-md02}]\nmqtt: {url: mqtt://h, request: a, response: a}":                "two topics",
		"devices: [{profile: xy-md02}]\nmqtt: {url: mqtt://h, request: a, response: b, payload: hexx}": "expected binary or hex",
		"devices: [{profile: xy-md02}, {profile: xy-md02, unit: 2}]\ntcp: :1\nany_unit: true":          "several devices",
		"lines: []": "the list is empty",
		"lines: [{devices: [{profile: xy-md02}], tcp: :1}, {devices: [{profile: xy-md02}]}]":                          "lines[1]: nothing reaches the devices",
		"lines: [{devices: [{profile: xy-md02}], tcp: :1}]\ntcp: :2":                                                  "tcp: the file has lines, and each line has its own tcp",
		"lines: [{devices: [{profile: xy-md02}], tcp: :1}]\nfaults: [{delay: 1s}]":                                    "faults: the file has lines, and each line has its own faults: put it into one of them",
		"lines: [{devices: [{profile: xy-md02}], tcp: :1, clock: {}}]":                                                "lines[0].clock: all lines have the same clock: put it beside lines",
		"devices: [{profile: xy-md02, registers: {}}]\ntcp: :1":                                                       "registers: unknown key",
		"devices: [{registers: {a: {holding: 1, type: int16}, b: {holding: 1, type: int16}}}]\ntcp: :1":               "the same holding registers",
		"devices: [{tables: {holding: 10}, csv: none.csv}]\ntcp: :1":                                                  "cannot read the registers",
		"devices: [{tables: {holding: 10}, functions: [17]}]\ntcp: :1":                                                "cannot have function 17",
		"devices: [{registers: {a: {input: 1, type: int16, replay: {file: no.csv, column: a, every: 1s}}}}]\ntcp: :1": "no.csv",
	} {
		_, err := config.Parse("x.yaml", []byte(text), configs.Files)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant one problem with %q", text, err, want)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), configs.Files); err == nil {
		t.Error("a file that is not there was loaded")
	}
}

// A folder of the user's own profiles is looked into first; the rest is built in.
func TestOwnProfiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "own"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"mine":    "title: mine\nreadings: {a: {coil: 0}}\n",
		"xy-md02": "title: better\nreadings: {a: {coil: 0}}\n",
		"broken":  "title: broken\nreadings: {a: {coil: x, b: 1}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "own", name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "x.yaml")
	parse := func(profile string) (config.Config, error) {
		return config.Parse(file, []byte("profiles: own\ntcp: :0\ndevices: [{profile: "+profile+"}]\n"), configs.Files)
	}
	for name, title := range map[string]string{"mine": "mine", "xy-md02": "better", "sdm120": "Eastron SDM120-Modbus single-phase energy meter"} {
		if c, err := parse(name); err != nil || c.Devices[0].Profile.Title != title || c.Devices[0].Profile.Name != name {
			t.Errorf("%s: %+v, %v", name, c.Devices, err)
		}
	}
	for name, want := range map[string]string{"broken": "unknown key", "none": "no profile", "../x": "no profile", "own/mine": "no profile"} {
		if _, err := parse(name); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := config.Parse(file, []byte("profiles: away\ntcp: :0\ndevices: [{profile: xy-md02}]\n"), configs.Files); err == nil || !strings.Contains(err.Error(), "profiles") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestConfigOfFaultsAndControl(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.yaml")
	for name, text := range map[string]string{"token": "0123456789\n", "short": "0123456", "two": "0123456789 0123456789"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const base = "devices: [{profile: xy-md02}]\ntcp: :0\n"
	c, err := config.Parse(file, []byte(base+`
faults: [{delay: 1s}, {name: a, functions: read, drop: reply}]
control: 0.0.0.0:8081
control_token_file: token
calls: 50
clock: {start: 2026-01-01T00:00:00Z, speed: 5, paused: true}
`), configs.Files)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Clock.State(); len(c.Faults) != 2 || c.Faults[1].Drop != fault.DropReply || c.Calls != 50 || c.Control != (config.ControlOptions{Address: "0.0.0.0:8081", Token: "0123456789"}) ||
		!s.Paused || s.Speed != 5 || s.Now.Format("2006-01-02T15:04:05.999999999Z07:00") != "2026-01-01T00:00:00Z" {
		t.Errorf("%+v, %+v", c, s)
	}
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if all := s.Faults(); len(all) != 2 || all[0].Fault.Name != "fault-1" || s.Clock() != c.Clock {
		t.Errorf("%+v", all)
	}
	for text, want := range map[string]string{
		"faults: [{delay: 1}]":                                  "faults[0].delay",
		"faults: [{name: a, delay: 1s}, {name: a, echo: true}]": "faults[1]: the name a is taken",
		"faults: {delay: 1s}":                                   "a list",
		"control: 8081":                                         "host:port",
		"control: 0.0.0.0:8081":                                 "add control_token_file",
		"control: :8081\ncontrol_token_file: short":             "at least 8",
		"control: :8081\ncontrol_token_file: two":               "one word",
		"control: :8081\ncontrol_token_file: none":              "no such file",
		"control_token_file: token":                             "add control such as",
		"calls: 0":                                              "calls",
		"clock: {speed: 0}":                                     "speed",
		"clock: {stopped: true}":                                "clock",
		"clock: {start: now}":                                   "2026-01-31T12:00:00Z",
	} {
		_, err := config.Parse(file, []byte(base+text), configs.Files)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "0123456") {
			t.Errorf("%s:\n got %v\nwant one problem with %q", text, err, want)
		}
	}
	c.Faults[0].BadCheck = true
	if _, err := simulator.Open(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "none of the faces") {
		t.Errorf("a fault that no face has: %v", err)
	}
}
