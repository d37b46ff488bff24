package configs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/gateway/config"
	"modferry/modbus/profile"
)

func schema(t *testing.T) (document map[string]any, compiled *jsonschema.Schema) {
	t.Helper()
	return schemaOf(t, "gateway.schema.json")
}

func schemaOf(t *testing.T, file string) (document map[string]any, compiled *jsonschema.Schema) {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text(t, file, "")))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(file, parsed); err != nil {
		t.Fatal(err)
	}
	compiled, err = c.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(map[string]any), compiled
}

// validate holds a YAML text against the schema.
func validate(t *testing.T, s *jsonschema.Schema, yamlText []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(yamlText, &v); err != nil {
		return err
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(instance)
}

func TestSchemaAcceptsTheExamples(t *testing.T) {
	_, s := schema(t)
	for _, file := range examples(t) {
		if err := validate(t, s, []byte(text(t, file, ""))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	contract, err := os.ReadFile("../gateway/config/testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, s, contract); err != nil {
		t.Error(err)
	}
}

// TestSchemaAndParserAgree on single values, each in an otherwise good file.
func TestSchemaAndParserAgree(t *testing.T) {
	_, s := schema(t)
	bus := func(keys string) string { return "gateway: w\nbroker: {}\nbuses: {b: {" + keys + "}}\n" }
	device := func(keys string) string { return bus("tcp: h") + "devices: {d: {bus: b, unit: 1, " + keys + "}}\n" }
	root := func(keys string) string { return bus("tcp: h") + keys + "\n" }
	for text, good := range map[string]bool{
		bus("tcp: h"):                                                   true,
		bus("serial: /dev/x"):                                           true,
		bus("queue: 3"):                                                 false,
		bus("tcp: h, serial: /dev/x"):                                   false,
		bus("tcp: h, timeout: 300ms"):                                   true,
		bus("tcp: h, timeout: 300"):                                     false,
		bus("tcp: h, delay: 0"):                                         true,
		bus("tcp: h, queue: '${MQTT_PASSWORD}'"):                        false, // set, but no number: only the parser knows
		bus("serial: x, baud: 0x2580"):                                  true,
		bus("serial: x, baud: '9600'"):                                  false,
		bus("serial: x, parity: evne"):                                  false,
		bus("serial: x, stop_bits: 3"):                                  false,
		bus("serial: x, echo: yes"):                                     false,
		bus("serial: x, rs485: true"):                                   true,
		bus("serial: x, rs485: auto"):                                   true,
		bus("serial: x, rs485: maybe"):                                  false,
		bus("serial: x, rs485: {rts_on_send: false, delay_after: 2ms}"): true,
		bus("serial: x, rs485: {rts_on_sned: false}"):                   false,
		bus("serial: x, rs485: {delay_before: 2}"):                      false,
		bus("serial: x, dtr: on, rts: off, low_latency: true"):          true,
		bus("serial: x, dtr: true"):                                     false,
		bus("serial: x, frame_gap: 300us"):                              true,
		bus("serial: x, turnaround: 200ms"):                             true,
		bus("udp: h, in_flight: 2"):                                     true,
		bus("tls: h, framing: rtu, server_name: plc"):                   true,
		bus("tcp: h, server_name: plc"):                                 false,
		bus("tls: h, cert: c.pem"):                                      false,
		bus("tls: h, server_name: [plc]"):                               false,
		bus("tcp: h, framing: mbap"):                                    true,
		bus("tcp: h, framing: tcp"):                                     false,
		bus("tcp: h, request: a/b"):                                     true,
		bus("tcp: h, request: a/#"):                                     false,
		bus("tcp: h, allow: [{}]"):                                      true,
		bus("tcp: h, allow: {}"):                                        false,
		bus("tcp: h, allow: [{units: 1-8, functions: [write, 6, write_single_coil, 0x10], addresses: [0x01 - 0x02], values: 5, clients: ''}]"): true,
		bus("tcp: h, allow: [{functions: [Wirte!]}]"): false,
		bus("tcp: h, allow: [{units: []}]"):           false,
		bus("tcp: h, allow: [{units: a-b}]"):          false,
		bus("tcp: h, allow: [{clients: [a/b]}]"):      false,
		device("profile: xy-md02"):                    true,
		device("every: 5s"):                           false,
		device("readings: {r: {coil: 1}}"):            true,
		device("readings: {a/b: {coil: 1}}"):          false,
		device("readings: {r: {coil: 1, input: 1}}"):  false,
		device("readings: {r: {}}"):                   false,
		device("readings: {r: {input: 1, type: int16, deadband: 2%, no_data: [0x8000, -1], scale: 0.1, decimals: 1, bit: 3}}"): false,
		device("readings: {r: {input: 1, type: int16, deadband: 2%, no_data: [0x8000, -1], scale: 0.1, decimals: 1}}"):         true,
		device("profile: xy-md02, payload: xml"):                                                                                false,
		device(`title: Cold room, profile: xy-md02, limits: {registers: 60, bits: 16, gap: 0}`):                                 true,
		device(`profile: xy-md02, max_gap: 0`):                                                                                  true,
		device(`readings: {r: {input: 1, type: int16, title: Room, class: temperature, min_interval: 10s, heartbeat: 1m}}`):     true,
		device(`readings: {r: {input: 1, type: uint16, enum: {0: "off", 0x1: heat, 2: 5}}}`):                                    true,
		device(`readings: {r: {input: 1, type: int32, enum: {-1: fault}, decimals: 0, scale: 1}}`):                              true,
		device(`readings: {r: {coil: 1, enum: {0: open, 1: closed}}}`):                                                          true,
		device(`readings: {r: {holding: 1, bit: 3, enum: {0: open}}}`):                                                          true,
		device(`readings: {r: {holding: 1, type: bcd16, enum: {5: five}, set: {}}}`):                                            true,
		device(`readings: {r: {input: 1, type: uint32, flags: {0: pump, 31: alarm}}}`):                                          true,
		device(`readings: {r: {holding: 1, bits: 0 - 15, type: int16, set: {min: -5, max: 5}}}`):                                true,
		device(`readings: {r: {holding: 1, bits: 4-7, flags: {3: a}, set: {verify: true}}}`):                                    true,
		device(`readings: {r: {holding: 1, type: string, count: 8, order: big-swap, no_data: 0xFFFF, set: {verify: true}}}`):    true,
		device(`readings: {r: {holding: 1, type: time-bcd, set: {}}}`):                                                          true,
		device(`readings: {r: {holding: 1, type: time-unix, order: little-swap, count: 2}}`):                                    true,
		device(`readings: {r: {holding: 1, type: bcd64, scale: 0.1, no_data: [0x9999999999999999]}}`):                           true,
		device(`readings: {r: {holding: 1, type: int16, set: {min: -10, max: 30, step: 0.5, verify: true}}}`):                   true,
		device(`readings: {r: {coil: 1, set: {}}}`):                                                                             true,
		device(`readings: {r: {coil: 1, set: {min: 0, max: 1}}}`):                                                               true,
		device(`readings: {a: {input: 1, type: uint16}, r: {compute: a + 1, unit: W, decimals: 1, class: power, deadband: 1}}`): true,
		device(`readings: {a: {coil: 1}, r: {compute: a, scale: 0.5, offset: 1, min_interval: 0}}`):                             true,
		device(`readings: {a: {coil: 1}, r: {compute: a, enum: {0: "no", 1: "yes"}}}`):                                          true,
		device(`title: [a], profile: xy-md02`):                                                                                  false,
		device(`profile: xy-md02, limits: {registers: 126}`):                                                                    false,
		device(`profile: xy-md02, limits: {gap: 124}`):                                                                          false,
		device(`profile: xy-md02, limits: {max_gap: 1}`):                                                                        false,
		device(`profile: xy-md02, max_gap: -1`):                                                                                 false,
		device(`readings: {status: {coil: 1}}`):                                                                                 false,
		device(`readings: {r: {input: 1}}`):                                                                                     false,
		device(`readings: {r: {input: 1, type: int16, class: Big}}`):                                                            false,
		device(`readings: {r: {input: 1, type: int16, min_interval: 10}}`):                                                      false,
		device(`readings: {r: {input: 1, type: int16, enum: {}}}`):                                                              false,
		device(`readings: {r: {input: 1, type: int16, enum: {a: b}}}`):                                                          false,
		device(`readings: {r: {input: 1, type: float32, enum: {1: b}}}`):                                                        false,
		device(`readings: {r: {input: 1, type: int16, enum: {1: a}, flags: {1: a}}}`):                                           false,
		device(`readings: {r: {input: 1, type: int16, flags: {64: a}}}`):                                                        false,
		device(`readings: {r: {input: 1, bits: 4}}`):                                                                            false,
		device(`readings: {r: {input: 1, bits: 4-16}}`):                                                                         false,
		device(`readings: {r: {input: 1, bits: 4-7, bit: 1}}`):                                                                  false,
		device(`readings: {r: {input: 1, type: string}}`):                                                                       false,
		device(`readings: {r: {input: 1, type: string, count: 2, scale: 3}}`):                                                   false,
		device(`readings: {r: {holding: 1, type: int16, set: {}}}`):                                                             false,
		device(`readings: {r: {holding: 1, bits: 4-7, set: {}}}`):                                                               false,
		device(`readings: {r: {holding: 1, type: int16, set: {min: 1, max: 2, step: 0}}}`):                                      false,
		device(`readings: {r: {holding: 1, type: time-bcd, set: {min: 1}}}`):                                                    false,
		device(`readings: {r: {input: 1, type: int16, set: {min: 1, max: 2}}}`):                                                 false,
		device(`readings: {r: {input: 1, type: uint8}}`):                                                                        false,
		device(`readings: {r: {compute: "", unit: W}}`):                                                                         false,
		device(`readings: {r: {compute: 1 + 1, every: 1s}}`):                                                                    false,
		device(`readings: {r: {compute: 1 + 1, set: {}}}`):                                                                      false,
		device(`readings: {r: {compute: 1 + 1, no_data: 1}}`):                                                                   false,
		root("http: {}"):                                                          true,
		root("http: {listen: ':8080'}"):                                           true,
		root("http: {listen: 8080}"):                                              false,
		root("backlog: {max: 64MiB, rate: 200}"):                                  true,
		root("backlog: {max: 64}"):                                                false,
		root("http: {tls: {cert: c.pem}}"):                                        false,
		root("http: {tls: {cert: c.pem, key: k.pem, ca: c.pem}}"):                 false,
		root("mqtt: {version: 5, reply_topics: [apps/#]}"):                        true,
		root("mqtt: {version: 4}"):                                                false,
		root("homeassistant: {}"):                                                 true,
		root("homeassistant: {prefix: a b}"):                                      false,
		root("sparkplug: {group: plant, node: 7, client_id: edge}"):               true,
		root("sparkplug: {}"):                                                     false,
		root("sparkplug: {group: a/b}"):                                           false,
		root("sparkplug: {group: STATE}"):                                         false,
		root("requests: {resume_within: 0, rate: 0}"):                             true,
		root("prefix: a b"):                                                       false,
		root("mqtt: {qos: 2, keepalive: 1m, version: 3.1.1}"):                     true,
		root("mqtt: {qos: 3}"):                                                    false,
		root("mqtt: {username: u, password: x, password_file: y}"):                false,
		root("mqtt: {password: x}"):                                               false,
		"gateway: w\nbuses: {b: {tcp: h}}\n":                                      false,
		"gateway: w\nmqtt: {}\nbuses: {b: {tcp: h}}\n":                            false,
		"gateway: w\nmqtt: {url: mqtt://h}\nbuses: {b: {tcp: h}}\n":               true,
		"gateway: w\nbroker: {users: {a: {}}}\nbuses: {b: {tcp: h}}\n":            false,
		"gateway: w\nbroker: {users: {a: {password: x}}}\nbuses: {b: {tcp: h}}\n": true,
		"gateway: w x\nbroker: {}\nbuses: {b: {tcp: h}}\n":                        false,
		"gateway: w\nbroker: {}\nbuses: {}\n":                                     false,
		"gateway: w\nbroker: {}\n":                                                false,
	} {
		_, err := config.Parse("g.yaml", []byte(text), config.Options{Env: environment, Profiles: configs.Files})
		if (err == nil) != good {
			t.Errorf("the parser says of\n%s%v", text, err)
		}
		if err := validate(t, s, []byte(text)); (err == nil) != good && !strings.Contains(text, "${") && !strings.Contains(text, "bit: 3") {
			t.Errorf("the schema says of\n%s%v", text, err)
		}
	}
}

// stranger is a key that nothing has: the parser answers with the keys it knows.
const stranger = "zzzzzzzzzzzzzzzzzzzz"

// TestSchemaHasTheKeysOfTheParser: in every mapping, exactly those that the parser knows.
func TestSchemaHasTheKeysOfTheParser(t *testing.T) {
	t.Run("gateway", func(t *testing.T) {
		compareKeys(t, "gateway.schema.json", 15, func(data []byte) error {
			_, err := config.Parse("g.yaml", data, config.Options{Env: environment, Profiles: configs.Files})
			return err
		})
	})
	t.Run("profile", func(t *testing.T) {
		compareKeys(t, "profile.schema.json", 7, func(data []byte) error {
			_, err := profile.Parse("p.yaml", data)
			return err
		})
	})
}

// compareKeys gives the parser a text of the schema's form, and compares the keys that
// it says it knows, in at least so many mappings.
func compareKeys(t *testing.T, file string, least int, parse func([]byte) error) {
	document, _ := schemaOf(t, file)
	want := map[string][]string{}
	text, err := json.Marshal(strangers(document, document, "", want)) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	var problems strictyaml.Problems
	if err := parse(text); !errors.As(err, &problems) {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, p := range problems {
		path, isStranger := strings.CutSuffix(p.Path, stranger)
		_, known, isUnknown := strings.Cut(p.Message, "unknown key: known are ")
		if isStranger && isUnknown {
			got[strings.TrimSuffix(path, ".")] = slices.Sorted(slices.Values(strings.Split(known, ", ")))
		}
	}
	for path := range maps.Keys(want) {
		if !slices.Equal(got[path], want[path]) {
			t.Errorf("%q:\nthe parser knows %q\nthe schema has   %q", path, got[path], want[path])
		}
	}
	if len(got) != len(want) || len(want) < least {
		t.Errorf("%d mappings in the parser, %d in the schema", len(got), len(want))
	}
}

// strangers makes a value of the schema's form, with a stranger in every mapping, and
// notes the keys of each. Mappings of names have one, n; lists have one item.
func strangers(document, node map[string]any, path string, keys map[string][]string) any {
	if ref, ok := node["$ref"].(string); ok {
		node = document["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if items, ok := node["items"].(map[string]any); ok {
		return []any{strangers(document, items, path+"[0]", keys)}
	}
	if node["type"] != "object" {
		return "x"
	}
	join := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	if values, ok := node["additionalProperties"].(map[string]any); ok {
		return map[string]any{"n": strangers(document, values, join("n"), keys)}
	}
	properties := node["properties"].(map[string]any)
	tree := map[string]any{stranger: 1}
	for key, value := range properties {
		tree[key] = strangers(document, value.(map[string]any), join(key), keys)
	}
	keys[path] = slices.Sorted(maps.Keys(properties))
	return tree
}

// TestSchemaDescribesEveryKey: editors show it beside what is typed.
func TestSchemaDescribesEveryKey(t *testing.T) {
	var check func(path string, node any)
	check = func(path string, node any) {
		m, ok := node.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := m["properties"].(map[string]any); ok && m["type"] == "object" {
			for key, value := range properties {
				if d, _ := value.(map[string]any)["description"].(string); !strings.HasSuffix(d, ".") && !strings.HasSuffix(d, "/<gateway>.") {
					t.Errorf("%s.%s has no description", path, key)
				}
			}
		}
		for key, value := range m {
			check(fmt.Sprintf("%s.%s", path, key), value)
		}
	}
	for _, file := range []string{"gateway.schema.json", "profile.schema.json"} {
		document, _ := schemaOf(t, file)
		check(file, document)
	}
}
