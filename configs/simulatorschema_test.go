package configs_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"modferry/configs"
	"modferry/simulator"
)

// simulatorSchema is compiled together with that of profiles, which it refers to.
func simulatorSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, file := range []string{"profile.schema.json", "simulator.schema.json"} {
		parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text(t, file, "")))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(file, parsed); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("simulator.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSimulatorSchemaAcceptsTheExamples(t *testing.T) {
	s := simulatorSchema(t)
	page, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := os.ReadFile("../simulator/recording/testdata/simulator.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := []string{text(t, "simulator.yaml", ""), text(t, "libmodbus-test.yaml", ""), string(recorded)}
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if regexp.MustCompile(`(?m)^(devices|lines):`).MatchString(m[1]) {
			all = append(all, m[1])
		}
	}
	for _, one := range all {
		if err := validate(t, s, []byte(one)); err != nil {
			t.Errorf("%s\n%v", one, err)
		}
	}
	if len(all) < 4 {
		t.Error("the page has no configuration")
	}
}

// The schema says of single values what the parser says.
func TestSimulatorSchemaAndParserAgree(t *testing.T) {
	s := simulatorSchema(t)
	const base = "devices: [{profile: xy-md02}]\ntcp: :0\n"
	for _, tt := range []struct {
		text string
		good bool
	}{
		{base, true},
		{"devices: []\ntcp: :0", false},
		{"devices: [{profile: xy-md02, unit: 9, seed: 3}]\npty: /tmp/x", true},
		{"devices: [{profile: xy-md02, unit: 248}]\ntcp: :0", false},
		{"devices: [{profile: xy-md02, title: x}]\ntcp: :0", false},
		{"devices: [{unit: 3}]\ntcp: :0", false},
		{"devices: [{tables: {holding: 10}, unit: 3, title: x}]\ntcp: :0", true},
		{"devices: [{registers: {a: {holding: 1, type: uint16}}, functions: [3]}]\ntcp: :0", true},
		{"devices: [{profile: xy-md02}]", false},
		{"tcp: :0", false},
		{base + "baud: 9600", false},
		{base + "serial: /dev/ttyUSB1\nbaud: 9600\nparity: odd\ndata_bits: 7\nstop_bits: 2\nmode: ascii", true},
		{base + "mode: tcp", false},
		{base + "mqtt: {url: tcp://127.0.0.1, request: a, response: b, payload: hex, qos: 1}", true},
		{base + "mqtt: {url: tcp://127.0.0.1, request: a}", false},
		{base + "udp: :0\nrtu_over_tcp: :0\nascii_over_tcp: 127.0.0.1:0\npace: true\nany_unit: true\nname: one", true},
		{base + "control: 8081", false},
		{base + "control: :0\ncalls: 5", true},
		{base + "control_token_file: x", false},
		{base + "calls: 0", false},
		{base + "clock: {start: 2026-01-01T00:00:00Z, paused: true, speed: 0.5}", true},
		{base + "clock: {speed: 0}", false},
		{base + "clock: {start: now}", false},
		{"lines: [{devices: [{profile: xy-md02}], tcp: :0}, {devices: [{profile: sdm120}], udp: :0, faults: [{echo: true}]}]\nclock: {paused: true}", true},
		{"lines: []", false},
		{"lines: [{devices: [{profile: xy-md02}]}]", false},
		{"lines: [{devices: [{profile: xy-md02}], tcp: :0}]\ntcp: :0", false},
		{base + "faults: [{delay: 1s}, {delay: 1m30s, units: [1, 4-8], functions: [read, 16, read_coils], addresses: 0x0100-0x01FF, quantities: 3, faces: [tcp, pty]}]", true},
		{base + "faults: [{drip: {bytes: 1, every: 20ms}, noise: {before: 3, bytes: FF 00}, duplicate: 2, close: true, wrong_transaction: 1}]", true},
		{base + "faults: [{name: a, reply: 0401, nth: 3}, {name: b, raw: FF00, every: 4, count: 5}, {name: c, exception: 3, probability: 0.5, seed: 7}]", true},
		{base + "faults: [{short: 1, after: 1s, for: 1m, until: 2026-01-31T12:00:00Z, also: true}]", true},
		{base + "faults: [{}]", false},
		{base + "faults: [{functions: read}]", false},
		{base + "faults: [{dely: 1s}]", false},
		{base + "faults: [{delay: 1}]", false},
		{base + "faults: [{delay: 1s, units: 8-}]", false},
		{base + "faults: [{delay: 1s, faces: usb}]", false},
		{base + "faults: [{delay: 1s, name: a b}]", false},
		{base + "faults: [{delay: 1s, nth: 1, every: 2}]", false},
		{base + "faults: [{drop: all}]", false},
		{base + "faults: [{drop: reply, truncate: 1}]", false},
		{base + "faults: [{exception: 1, short: 1}]", false},
		{base + "faults: [{raw: FF, bad_check: true}]", false},
		{base + "faults: [{exception: 256}]", false},
		{base + "faults: [{drip: {bytes: 1}}]", false},
		{base + "faults: [{noise: {bytes: FF}}]", false},
		{base + "faults: [{delay: 1s, probability: 0}]", false},
	} {
		bySchema := validate(t, s, []byte(tt.text))
		_, byParser := simulator.ParseConfig("simulator.yaml", []byte(tt.text), configs.Files)
		if (bySchema == nil) != tt.good || (byParser == nil) != tt.good {
			t.Errorf("%s\nthe schema says %v\nthe parser says %v", tt.text, bySchema, byParser)
		}
	}
}

// The schema has the keys that the parser knows, no more and no less: what the parser
// says of a key that it does not know names all others.
func TestSimulatorSchemaHasAllKeys(t *testing.T) {
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text(t, "simulator.schema.json", "")))
	if err != nil {
		t.Fatal(err)
	}
	document := parsed.(map[string]any)
	defs := document["$defs"].(map[string]any)
	fault := properties(defs["fault"])
	for text, known := range map[string]map[string]any{
		"devices: [{profile: xy-md02}]\ntcp: :0\nqqqqqqqqqqqq: 1":                                          properties(document),
		"lines: [{devices: [{profile: xy-md02}], tcp: :0, qqqqqqqqqqqq: 1}]":                               properties(defs["line"]),
		"devices: [{tables: {coil: 1}, qqqqqqqqqqqq: 1}]\ntcp: :0":                                         properties(defs["device"]),
		"devices: [{profile: xy-md02}]\ntcp: :0\nclock: {qqqqqqqqqqqq: 1}":                                 properties(properties(document)["clock"]),
		"devices: [{profile: xy-md02}]\nmqtt: {url: tcp://a, request: a, response: b, qqqqqqqqqqqq: 1}":    properties(properties(document)["mqtt"]),
		"devices: [{profile: xy-md02}]\ntcp: :0\nfaults: [{delay: 1s, qqqqqqqqqqqq: 1}]":                   fault,
		"devices: [{profile: xy-md02}]\ntcp: :0\nfaults: [{noise: {before: 1, qqqqqqqqqqqq: 1}}]":          properties(fault["noise"]),
		"devices: [{profile: xy-md02}]\ntcp: :0\nfaults: [{drip: {bytes: 1, every: 1s, qqqqqqqqqqqq: 1}}]": properties(fault["drip"]),
	} {
		_, err := simulator.ParseConfig("x.yaml", []byte(text), configs.Files)
		if err == nil {
			t.Fatalf("%s is good", text)
		}
		m := regexp.MustCompile(`unknown key: known are ([a-z_, ]+)`).FindStringSubmatch(err.Error())
		if m == nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		parser := strings.Split(m[1], ", ")
		schema := slices.Sorted(maps.Keys(known))
		slices.Sort(parser)
		if !slices.Equal(parser, schema) {
			t.Errorf("%s\nthe parser knows %v\nthe schema    %v", text, parser, schema)
		}
	}
}

func properties(of any) map[string]any { return of.(map[string]any)["properties"].(map[string]any) }
