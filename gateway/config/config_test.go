package config_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/gateway/config"
	"modferry/gateway/policy"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// options knows the shipped profiles, three variables, and files that say their own name.
func options(files ...string) config.Options {
	return config.Options{
		Profiles: configs.Files,
		ReadDir: func(folder string) ([]fs.DirEntry, error) {
			return nil, &fs.PathError{Op: "open", Path: folder, Err: fs.ErrNotExist}
		},
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"HOST": "broker.example", "SECRET": "hunter2", "BAUD": "19200"}[name]
			return v, ok
		},
		ReadFile: func(file string) ([]byte, error) {
			for _, f := range files {
				if filepath.ToSlash(file) == f {
					return []byte("content of " + f + "\n"), nil
				}
			}
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		},
	}
}

// minimal is a good configuration with what is said of one bus and after it.
func minimal(bus, rest string) string {
	return "gateway: w\nbroker: {}\nbuses:\n  b: {" + bus + "}\n" + rest
}

func parse(t *testing.T, text string, files ...string) *config.Config {
	t.Helper()
	c, err := config.Parse("conf/g.yaml", []byte(text), options(files...))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return c
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestContract(t *testing.T) {
	files := []string{"conf/mqtt.password", "conf/ca.pem", "conf/client.pem", "conf/client.key", "conf/panel.password"}
	c := parse(t, string(read(t, "testdata/contract.yaml")), files...)
	one := []policy.Range{{From: 1, To: 8}}
	functions := []byte{5, 6, 8, 15, 16, 21, 22, 23, 43, 65, 66, 67, 68, 69, 70, 71, 72, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110}
	md02, err := profile.Load(configs.Files, "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Gateway: "workshop", Prefix: "modferry/workshop", DataDir: "/var/lib/modferry",
		MQTT: config.MQTT{
			URL: "mqtts://broker.example:8883", ClientID: "modferry-workshop", Username: "workshop",
			Password: config.NewSecret("content of conf/mqtt.password"),
			TLS:      config.TLS{CA: filepath.FromSlash("conf/ca.pem"), Cert: filepath.FromSlash("conf/client.pem"), Key: filepath.FromSlash("conf/client.key")},
			Version:  config.MQTT311, KeepAlive: 30 * time.Second, QoS: 1, ReplyTopics: []string{"apps/#"},
		},
		Backlog:  config.Backlog{Max: 64 << 20, Rate: 200},
		Requests: config.Requests{ResumeWithin: 30 * time.Second},
		Broker: &config.Broker{MQTT: "127.0.0.1:1883", Users: map[string]config.User{
			"panel": {Password: config.NewSecret("content of conf/panel.password"), Topics: []string{"modferry/workshop/#"}},
		}},
		HTTP:          &config.HTTP{Listen: "127.0.0.1:8080"},
		HomeAssistant: &config.HomeAssistant{Prefix: "homeassistant"},
		Buses: []config.Bus{
			{
				Name:    "rs485",
				Serial:  &config.Serial{Path: "/dev/serial/by-id/usb-1a86", Baud: 9600, Parity: "none", DataBits: 8, StopBits: 1, Mode: modbus.RTU},
				Timeout: 300 * time.Millisecond, Turnaround: 100 * time.Millisecond, Queue: 64, Breaker: config.Breaker{After: 3, Probe: time.Second, ProbeMax: time.Minute}, Request: "abc", Response: "abc", Form: "auto",
				Allow: []policy.Rule{{
					Clients: []string{"panel"}, Units: one, Functions: functions,
					Addresses: []policy.Range{{From: 0x101, To: 0x104}}, Values: []policy.Range{{From: 0, To: 100}},
				}},
			},
			{
				Name: "plc", TCP: &config.TCP{Network: "tcp", Address: "10.0.0.5:502", Framing: modbus.TCP, InFlight: 4},
				Timeout: time.Second, Queue: 64, Breaker: config.Breaker{After: 3, Probe: time.Second, ProbeMax: time.Minute}, Form: "auto",
			},
		},
		Devices: []config.Device{{
			Name: "cold-room", Bus: "rs485", Unit: 1, Every: 5 * time.Second, Heartbeat: time.Minute, Payload: "json",
			Profile: "xy-md02", Model: md02.Title, Limits: md02.Limits, Functions: md02.Functions,
			Readings: append(md02.Readings,
				profile.Reading{
					Name:  "setpoint",
					Field: register.Field{Table: modbus.HoldingRegisters, Address: 0x103, Type: register.Int16, Bit: -1, Scale: 0.1, Decimals: register.Auto},
					Unit:  "°C", Deadband: profile.Deadband{Absolute: 0.2}, Set: &profile.Set{Min: -10, Max: 10},
				},
				profile.Reading{
					Name:  "trend",
					Field: register.Field{Table: modbus.InputRegisters, Address: 100, Count: 125, Type: register.Uint16, Bit: -1, Scale: 1, Decimals: register.Auto},
				}),
		}},
	}
	warnings := make([]string, len(c.Warnings))
	for i, w := range c.Warnings {
		warnings[i] = fmt.Sprintf("%d %s", w.Line, w.Path)
	}
	wantWarnings := []string{
		"13 mqtt.reply_topics",
		"37 buses.rs485.allow[0].clients",
	}
	if !reflect.DeepEqual(warnings, wantWarnings) {
		t.Errorf("warnings\n%v", c.Warnings.Error())
	}
	c.Warnings = nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestDefaults(t *testing.T) {
	c := parse(t, minimal("tcp: 10.0.0.5, framing: rtu", "devices: {d: {bus: b, unit: 7, readings: {r: {coil: 1}}}}"))
	if c.Prefix != "modferry/w" || c.MQTT.ClientID != "modferry-w" || c.MQTT.URL != "" || c.MQTT.Version != config.MQTT311 || c.HTTP != nil || c.DataDir != "" {
		t.Errorf("%+v", c)
	}
	if c.Backlog != (config.Backlog{Max: 64 << 20, Rate: 200}) {
		t.Errorf("%+v", c.Backlog)
	}
	if c.Broker.MQTT != "127.0.0.1:1883" || c.Broker.Users != nil {
		t.Errorf("%+v", c.Broker)
	}
	if b := c.Buses[0]; b.TCP.Address != "10.0.0.5:502" || b.Timeout != time.Second || b.TCP.InFlight != 1 || b.LineFraming() != modbus.RTU || b.Allow != nil {
		t.Errorf("%+v", b)
	}
	if d := c.Devices[0]; d.Every != 5*time.Second || d.Heartbeat != time.Minute || d.Payload != "json" || d.Unit != 7 {
		t.Errorf("%+v", d)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestBrokerURL(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt://h":           "mqtt://h:1883",
		"tcp://h:1884/":      "mqtt://h:1884",
		"ssl://h":            "mqtts://h:8883",
		"MQTTS://h":          "mqtts://h:8883",
		"ws://h":             "ws://h:80/mqtt",
		"wss://h/path":       "wss://h:443/path",
		"mqtt://[::1]":       "mqtt://[::1]:1883",
		"mqtts://${HOST}:99": "mqtts://broker.example:99",
	} {
		c := parse(t, "gateway: w\nmqtt: {url: '"+text+"'}\nbuses: {b: {tcp: h}}\n")
		if c.MQTT.URL != want {
			t.Errorf("%s: %s", text, c.MQTT.URL)
		}
	}
}

// A URL that leads to the embedded broker says the same as none.
func TestURLOfTheEmbeddedBroker(t *testing.T) {
	for text, want := range map[string]string{
		"mqtt: {url: 'mqtt://localhost'}\nbroker: {}":                                                      "",
		"mqtt: {url: 'mqtt://127.0.0.1:99'}\nbroker: {mqtt: '0.0.0.0:99', users: {a: {password: x}}}":      "",
		"mqtt: {url: 'mqtt://127.0.0.1:98'}\nbroker: {mqtt: ':99'}":                                        "mqtt://127.0.0.1:98",
		"mqtt: {url: 'mqtt://broker.example'}\nbroker: {}":                                                 "mqtt://broker.example:1883",
		"mqtt: {url: 'mqtt://127.0.0.1:1883'}\nbroker: {mqtt: '10.0.0.1:1883', users: {a: {password: x}}}": "mqtt://127.0.0.1:1883",
		"mqtt: {url: 'ws://127.0.0.1:1883'}\nbroker: {}":                                                   "ws://127.0.0.1:1883/mqtt",
	} {
		if c := parse(t, "gateway: w\n"+text+"\nbuses: {b: {tcp: h}}\n"); c.MQTT.URL != want {
			t.Errorf("%s: %q, want %q", text, c.MQTT.URL, want)
		}
	}
}

func TestRules(t *testing.T) {
	reads := []byte{1, 2, 3, 4, 7, 11, 12, 17, 20, 24}
	for text, want := range map[string]policy.Rule{
		"{}":                         {},
		"{clients: panel, units: 3}": {Clients: []string{"panel"}, Units: []policy.Range{{From: 3, To: 3}}},
		`{clients: ["", b]}`:         {Clients: []string{"", "b"}},
		"{units: [0, 0xF0-0xff]}":    {Units: []policy.Range{{From: 0, To: 0}, {From: 240, To: 255}}},
		"{functions: [16, 0x06, write-single-coil, 6]}": {Functions: []byte{5, 6, 16}},
		"{functions: [read, 6]}":                        {Functions: append(append([]byte{}, reads[:4]...), append([]byte{6}, reads[4:]...)...)},
		"{addresses: [5, 1 - 2], values: 65535}":        {Addresses: []policy.Range{{From: 5, To: 5}, {From: 1, To: 2}}, Values: []policy.Range{{From: 65535, To: 65535}}},
	} {
		c := parse(t, minimal("tcp: h, allow: ["+text+"]", ""))
		if got := c.Buses[0].Allow[0]; !reflect.DeepEqual(got, want) || len(c.Warnings) > 0 {
			t.Errorf("%s:\n got %+v %v\nwant %+v", text, got, c.Warnings, want)
		}
	}
}

func TestListenersNeedCredentials(t *testing.T) {
	c := parse(t, "gateway: w\nbroker: {mqtt: '0.0.0.0:1883', users: {a: {password: x}}}\nhttp: {listen: ':80'}\nbuses: {b: {tcp: h}}\n")
	if c.HTTP.Listen != "127.0.0.1:80" || c.Broker.MQTT != "0.0.0.0:1883" || !reflect.DeepEqual(c.Broker.Users["a"].Topics, []string{"modferry/w/#"}) {
		t.Errorf("%+v %+v", c.HTTP, c.Broker)
	}
	for _, loopback := range []string{"localhost:1", "'[::1]:1'", "127.0.0.2:1", "':0'"} {
		parse(t, "gateway: w\nbroker: {mqtt: "+loopback+"}\nbuses: {b: {tcp: h}}\n")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Load(file, config.Options{}); err == nil || !strings.HasPrefix(err.Error(), "there is no configuration file "+file) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := config.Load(dir, config.Options{}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a folder: %v", err)
	}
	write("gateway.yaml", "gateway: w\nmqtt: {url: mqtt://h, username: u, password_file: p}\nbuses: {b: {tcp: h}}\n")
	write("p", "hunter2\n")
	c, err := config.Load(file, config.Options{})
	if err != nil || c.MQTT.Password.Reveal() != "hunter2" {
		t.Errorf("%v", err)
	}
	write("gateway.yaml", strings.Repeat("#", strictyaml.MaxSize+1))
	if _, err := config.Load(file, config.Options{}); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Errorf("a large file: %v", err)
	}
}

func TestTopicsOfBrokerUsers(t *testing.T) {
	c := parse(t, "gateway: w\nbroker: {users: {all: {password: x}, app: {password: x, topics: a/#, read: [b/#, c]}, reader: {password: x, read: b}}}\nbuses: {b: {tcp: h}}\n")
	users := c.Broker.Users
	for name, want := range map[string][2][]string{"all": {{"modferry/w/#"}, nil}, "app": {{"a/#"}, {"b/#", "c"}}, "reader": {nil, {"b"}}} {
		if !slices.Equal(users[name].Topics, want[0]) || !slices.Equal(users[name].Read, want[1]) {
			t.Errorf("%s: %+v, want %q", name, users[name], want)
		}
	}
}
