package homeassistant_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"modferry/configs"
	"modferry/gateway/config"
	"modferry/gateway/homeassistant"
	"modferry/modbus/profile"
)

// plant returns a configuration with devices, each given as its YAML.
func plant(t testing.TB, head, devices string) *config.Config {
	t.Helper()
	text := "gateway: w\nbroker: {}\n" + head + "buses: {b: {tcp: h}}\ndevices:\n" + devices
	c, err := config.Parse("test.yaml", []byte(text), config.Options{Profiles: configs.Files})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return c
}

const discovery = "homeassistant: {}\n"

// one returns what announces a device d with one reading r.
func one(t testing.TB, keys, reading string) (topic string, e map[string]any) {
	t.Helper()
	c := plant(t, discovery, fmt.Sprintf("  d: {bus: b, unit: 1, %sreadings: {r: {%s}}}\n", keys, reading))
	messages, skipped := homeassistant.Messages(c)
	if len(messages) != 2 || len(skipped) != 0 {
		t.Fatalf("%s: %d messages, skipped %v", reading, len(messages), skipped)
	}
	validate(t, messages)
	if err := json.Unmarshal(messages[1].Payload, &e); err != nil {
		t.Fatal(err)
	}
	return messages[1].Topic, e
}

var topicForm = regexp.MustCompile(`^homeassistant/([a-z_]+)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config$`)

// documented is what Home Assistant's documentation says of discovery messages.
var documented = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile("testdata/discovery.schema.json")
})

// validate holds messages against the schema of their components.
func validate(t testing.TB, messages []homeassistant.Message) {
	t.Helper()
	schema, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		parts := topicForm.FindStringSubmatch(m.Topic)
		if parts == nil {
			t.Fatalf("the topic %s is not of the documented form", m.Topic)
		}
		payload, err := jsonschema.UnmarshalJSON(strings.NewReader(string(m.Payload)))
		if err != nil {
			t.Fatalf("%s: %v", m.Payload, err)
		}
		if err := schema.Validate(map[string]any{parts[1]: payload}); err != nil {
			t.Errorf("%s\n%s\n%v", m.Topic, m.Payload, err)
		}
	}
}

func TestForms(t *testing.T) {
	const jsonValue = "{{ value_json.value }}"
	for _, c := range []struct {
		keys, reading, topic string
		want                 map[string]any // nil for a key that must not be there
	}{
		{"", `input: 1, type: int16, scale: 0.1, unit: "°C", class: temperature, decimals: 1, title: "Air, inside"`, "homeassistant/sensor/w/d_-r/config", map[string]any{
			"name": "Air, inside", "unique_id": "modferry.w.d.r", "object_id": "w_d_r", "default_entity_id": "sensor.w_d_r",
			"state_topic": "modferry/w/device/d/r", "value_template": jsonValue, "unit_of_measurement": "°C", "device_class": "temperature",
			"state_class": "measurement", "suggested_display_precision": 1.0, "availability_mode": "all", "command_topic": nil, "expire_after": 195.0,
		}},
		{"payload: value, ", "input: 1, type: uint16", "homeassistant/sensor/w/d_-r/config", map[string]any{
			"name": "r", "value_template": nil, "unit_of_measurement": nil, "device_class": nil, "state_class": "measurement", "suggested_display_precision": nil,
		}},
		{"", "input: 1, type: uint32, unit: kWh, class: energy", "homeassistant/sensor/w/d_-r/config", map[string]any{
			"device_class": "energy", "state_class": "total_increasing"}},
		{"", "input: 1, type: uint32, unit: pulses, class: energy", "homeassistant/sensor/w/d_-r/config", map[string]any{ // a unit that the class does not have
			"device_class": nil, "state_class": "total_increasing", "unit_of_measurement": "pulses"}},
		{"", `input: 1, type: uint16, unit: "µS/cm", class: conductivity`, "homeassistant/sensor/w/d_-r/config", map[string]any{
			"device_class": "conductivity", "unit_of_measurement": "µS/cm"}},
		{"", `input: 1, type: uint16, unit: "°", class: wind_direction`, "homeassistant/sensor/w/d_-r/config", map[string]any{
			"device_class": "wind_direction", "state_class": nil}},
		{"", "holding: 1, type: float32, unit: hPa, class: pressure", "homeassistant/sensor/w/d_-r/config", map[string]any{"device_class": "pressure"}},
		{"", "input: 1, type: uint16, class: phlogiston", "homeassistant/sensor/w/d_-r/config", map[string]any{"device_class": nil}},
		{"", "discrete: 1, class: problem", "homeassistant/binary_sensor/w/d_-r/config", map[string]any{
			"device_class": "problem", "payload_on": "True", "payload_off": "False", "value_template": jsonValue, "state_class": nil}},
		{"payload: value, ", "holding: 1, bit: 3, class: temperature", "homeassistant/binary_sensor/w/d_-r/config", map[string]any{
			"device_class": nil, "payload_on": "true", "payload_off": "false", "value_template": nil}},
		{"", "coil: 1, class: outlet, set: {}", "homeassistant/switch/w/d_-r/config", map[string]any{
			"device_class": "outlet", "payload_on": "true", "payload_off": "false", "state_on": "True", "state_off": "False",
			"command_topic": "modferry/w/device/d/r/set", "expire_after": nil}},
		{"", `holding: 1, type: int16, scale: 0.1, unit: "°C", class: temperature, set: {min: -10, max: 30.5}`, "homeassistant/number/w/d_-r/config", map[string]any{
			"min": -10.0, "max": 30.5, "step": 0.1, "mode": "box", "command_topic": "modferry/w/device/d/r/set", "device_class": "temperature", "state_class": nil}},
		{"", "holding: 1, type: uint16, set: {min: 0, max: 100, step: 5}", "homeassistant/number/w/d_-r/config", map[string]any{"step": 5.0, "min": 0.0}},
		{"", "holding: 1, type: float32, set: {min: 0, max: 1}", "homeassistant/number/w/d_-r/config", map[string]any{"step": 0.001}},
		{"", "holding: 1, type: uint16, enum: {0: 'off', 1: heat}", "homeassistant/sensor/w/d_-r/config", map[string]any{
			"device_class": "enum", "options": []any{"off", "heat"}, "state_class": nil, "unit_of_measurement": nil}},
		{"", "holding: 1, type: uint16, enum: {0: 'off', 1: heat}, set: {}", "homeassistant/select/w/d_-r/config", map[string]any{
			"device_class": nil, "options": []any{"off", "heat"}, "command_topic": "modferry/w/device/d/r/set", "command_template": "{{ {'value': value} | tojson }}"}},
		{"", "holding: 1, type: uint16, flags: {0: pump, 3: alarm}, set: {}", "homeassistant/sensor/w/d_-r/config", map[string]any{
			"device_class": nil, "state_class": nil, "command_topic": nil}},
		{"", "coil: 1, enum: {0: shut, 1: open}, set: {}", "homeassistant/select/w/d_-r/config", map[string]any{"options": []any{"shut", "open"}}},
		{"", "holding: 1, bits: 4-7, type: uint16, unit: '%', class: humidity", "homeassistant/sensor/w/d_-r/config", map[string]any{"device_class": "humidity"}},
		{"", "holding: 1, type: bcd32", "homeassistant/sensor/w/d_-r/config", map[string]any{"state_class": "measurement"}},
		{"", "holding: 1, type: string, count: 8", "homeassistant/sensor/w/d_-r/config", map[string]any{"state_class": nil, "unit_of_measurement": nil}},
		{"", "holding: 1, type: string, count: 8, set: {}", "homeassistant/text/w/d_-r/config", map[string]any{
			"min": 0.0, "max": 16.0, "mode": "text", "value_template": "{{ value_json.value | default('', true) }}", "command_topic": "modferry/w/device/d/r/set"}},
		{"", "holding: 1, type: time-unix", "homeassistant/sensor/w/d_-r/config", map[string]any{"device_class": "timestamp", "state_class": nil}},
		{"payload: value, ", "holding: 1, type: time-bcd, set: {}", "homeassistant/text/w/d_-r/config", map[string]any{"max": 35.0, "value_template": nil}},
	} {
		topic, e := one(t, c.keys, c.reading)
		if topic != c.topic {
			t.Errorf("%s: topic %s, want %s", c.reading, topic, c.topic)
		}
		for key, want := range c.want {
			if !reflect.DeepEqual(e[key], want) {
				t.Errorf("%s: %s is %v, want %v", c.reading, key, e[key], want)
			}
		}
	}
}

func TestAvailability(t *testing.T) {
	entry := func(topic string) map[string]any {
		return map[string]any{"topic": topic, "payload_available": "online", "payload_not_available": "offline"}
	}
	both := []any{entry("modferry/w/status"), entry("modferry/w/device/d/status")}
	if _, e := one(t, "payload: value, ", "coil: 1"); !reflect.DeepEqual(e["availability"], both) {
		t.Errorf("with bare values: %v", e["availability"])
	}
	quality := entry("modferry/w/device/d/r")
	quality["value_template"] = "{{ 'online' if value_json.quality == 'good' else 'offline' }}"
	if _, e := one(t, "", "coil: 1"); !reflect.DeepEqual(e["availability"], append(both, quality)) {
		t.Errorf("with JSON: %v", e["availability"])
	}
}

func TestDevices(t *testing.T) {
	c := plant(t, discovery, "  d: {bus: b, title: Cold room, profile: xy-md02}\n  e: {bus: b, unit: 2, readings: {r: {coil: 1}}}\n")
	messages, _ := homeassistant.Messages(c)
	var devices []map[string]any
	for _, m := range messages {
		var e struct{ Device map[string]any }
		if err := json.Unmarshal(m.Payload, &e); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(devices, func(d map[string]any) bool { return reflect.DeepEqual(d, e.Device) }) {
			devices = append(devices, e.Device)
		}
	}
	md02, err := profile.Load(configs.Files, "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"identifiers": []any{"modferry.w"}, "name": "w", "manufacturer": "modferry", "model": "Modbus gateway"},
		{"identifiers": []any{"modferry.w.d"}, "name": "Cold room", "model": md02.Title, "model_id": "xy-md02", "via_device": "modferry.w"},
		{"identifiers": []any{"modferry.w.e"}, "name": "e", "via_device": "modferry.w"},
	}
	if !reflect.DeepEqual(devices, want) {
		t.Errorf("devices\n%v\nwant\n%v", devices, want)
	}
}

// TestProfiles: whatever the built-in profiles have, Home Assistant takes it.
func TestProfiles(t *testing.T) {
	names := profile.Names(configs.Files)
	for _, payload := range []string{"json", "value"} {
		var devices strings.Builder
		for _, name := range names {
			fmt.Fprintf(&devices, "  %s: {bus: b, unit: 1, profile: %s, payload: %s}\n", name, name, payload)
		}
		c := plant(t, discovery, devices.String())
		messages, skipped := homeassistant.Messages(c)
		validate(t, messages)
		classes := map[string]string{} // by unique id
		if len(messages) <= len(names) {
			t.Errorf("%d messages of %d profiles", len(messages), len(names))
		}
		for _, s := range skipped {
			t.Logf("not announced: %+v", s)
		}
		topics, ids := map[string]bool{}, map[string]bool{}
		for _, m := range messages {
			var e struct {
				ID    string `json:"unique_id"`
				Class string `json:"device_class"`
			}
			if err := json.Unmarshal(m.Payload, &e); err != nil {
				t.Fatal(err)
			}
			if topics[m.Topic] || ids[e.ID] {
				t.Errorf("twice: %s %s", m.Topic, e.ID)
			}
			topics[m.Topic], ids[e.ID], classes[e.ID] = true, true, e.Class
		}
		for _, d := range c.Devices {
			for _, r := range d.Readings {
				if got := classes["modferry.w."+d.Name+"."+r.Name]; r.Class != "" && got != r.Class {
					t.Errorf("%s, %s: Home Assistant has no class %s with unit %q here", d.Name, r.Name, r.Class, r.Unit)
				}
			}
		}
	}
}

// TestNamesAreToldApart: names that are the same when they are put together.
func TestNamesAreToldApart(t *testing.T) {
	var devices strings.Builder
	for _, names := range [][2]string{{"a_b", "c"}, {"a", "b_c"}, {"a_", "-b"}, {"a", "_-b"}, {"a__", "b"}, {"A", "b"}, {"a-b", "c"}, {"a_-b", "c"}} {
		fmt.Fprintf(&devices, "  %s: {bus: b, unit: 1, readings: {%s: {coil: 1}}}\n", names[0], names[1])
	}
	text := strings.Replace(devices.String(), "  a: {bus: b, unit: 1, readings: {_-b: {coil: 1}}}\n", "", 1)
	text = strings.Replace(text, "{b_c: {coil: 1}}", "{b_c: {coil: 1}, _-b: {coil: 1}}", 1)
	messages, _ := homeassistant.Messages(plant(t, discovery, text))
	validate(t, messages)
	seen := map[string]bool{}
	for _, m := range messages {
		seen[m.Topic] = true
	}
	if len(seen) != 9 || len(messages) != 9 {
		t.Errorf("%d topics of %d messages, want 9", len(seen), len(messages))
	}
}

func TestNotAnnounced(t *testing.T) {
	if m, s := homeassistant.Messages(plant(t, "", "  d: {bus: b, unit: 1, readings: {r: {coil: 1}}}\n")); m != nil || s != nil {
		t.Errorf("without homeassistant: %v, %v", m, s)
	}
	c := plant(t, discovery, "  d: {bus: b, unit: 1, readings: {r: {coil: 1, count: 8}, s: {holding: 1, type: uint16, count: 2}}}\n"+
		"  hex: {bus: b, unit: 1, payload: hex, readings: {r: {coil: 1}}}\n  bin: {bus: b, unit: 1, payload: binary, readings: {r: {coil: 1}}}\n")
	messages, skipped := homeassistant.Messages(c)
	var names []string
	for _, s := range skipped {
		names = append(names, s.Device+"/"+s.Reading)
	}
	if want := []string{"d/r", "d/s", "hex/r", "bin/r"}; len(messages) != 1 || !slices.Equal(names, want) {
		t.Errorf("%d messages, not announced %v", len(messages), skipped)
	}
}

func TestExpiryOutlastsWhatCanBePublished(t *testing.T) {
	for keys, want := range map[string]float64{
		"every: 10ms, heartbeat: 10ms, readings: {r: {coil: 1}}":                         30,
		"every: 5s, heartbeat: 60s, readings: {r: {coil: 1}}":                            195,
		"every: 5s, heartbeat: 60s, readings: {r: {coil: 1, every: 2m}}":                 540,
		"every: 5s, readings: {r: {coil: 1, heartbeat: 1h}}":                             10815,
		"every: 5s, heartbeat: 60s, readings: {r: {coil: 1, min_interval: 1h}}":          10815,
		"every: 1500ms, heartbeat: 100s, readings: {r: {input: 1, type: int16}}":         305,
		"every: 1s, readings: {r: {compute: s, heartbeat: 9s}, s: {coil: 1, every: 1m}}": 207,
	} {
		messages, _ := homeassistant.Messages(plant(t, discovery, "  d: {bus: b, unit: 1, "+keys+"}\n"))
		var e map[string]any
		if err := json.Unmarshal(messages[1].Payload, &e); err != nil || e["expire_after"] != want {
			t.Errorf("%s: expires after %v s, want %v", keys, e["expire_after"], want)
		}
	}
}

func TestComputed(t *testing.T) {
	for keys, want := range map[string]string{
		`unit: K, class: temperature`: "sensor measurement temperature", "unit: kWh, class: energy": "sensor total_increasing energy",
		"": "sensor <nil> <nil>", "class: problem": "binary_sensor <nil> problem", "class: aqi": "sensor measurement aqi",
	} {
		if keys != "" {
			keys += ", "
		}
		c := plant(t, discovery, "  d: {bus: b, unit: 1, readings: {r: {"+keys+"compute: s}, s: {input: 1, type: int16}}}\n")
		messages, _ := homeassistant.Messages(c)
		validate(t, messages)
		var e map[string]any
		if err := json.Unmarshal(messages[1].Payload, &e); err != nil {
			t.Fatal(err)
		}
		component := strings.Split(messages[1].Topic, "/")[1]
		if got := fmt.Sprint(component, " ", e["state_class"], " ", e["device_class"]); got != want {
			t.Errorf("%s: %s, want %s", keys, got, want)
		}
	}
}

// A bare text is the state as it is.
func TestBareTextsNeedNoTemplate(t *testing.T) {
	for _, reading := range []string{"input: 1, type: string, count: 4", "holding: 1, type: string, count: 4, set: {}", "input: 1, type: time-unix"} {
		if _, e := one(t, "payload: value, ", reading); e["value_template"] != nil {
			t.Errorf("%s: %v", reading, e["value_template"])
		}
	}
}

func TestIsOwn(t *testing.T) {
	device := "  d: {bus: b, unit: 1, readings: {r: {coil: 1}}}\n"
	c := plant(t, discovery, device)
	messages, _ := homeassistant.Messages(c)
	for _, m := range messages {
		if !homeassistant.IsOwn(c, m.Topic, m.Payload) {
			t.Errorf("%s is not recognised", m.Topic)
		}
	}
	other := plant(t, "prefix: site/w\n"+discovery, device)
	theirs, _ := homeassistant.Messages(other)
	for i, m := range theirs {
		if m.Topic == messages[i].Topic {
			t.Errorf("another gateway of the same name announces on %s, too", m.Topic)
		}
		if homeassistant.IsOwn(c, m.Topic, m.Payload) || homeassistant.IsOwn(c, messages[i].Topic, m.Payload) {
			t.Errorf("%s is taken for our own", m.Payload)
		}
	}
	for _, payload := range []string{"", "{}", "[]", `{"origin":{"name":"modferry"}}`, `{"state_topic":"modferry/w/status"}`} {
		if homeassistant.IsOwn(c, messages[0].Topic, []byte(payload)) {
			t.Errorf("%q is taken for our own", payload)
		}
	}
	if homeassistant.IsOwn(c, "homeassistant/sensor/v/d_-r/config", messages[1].Payload) {
		t.Error("a topic of another gateway is taken for our own")
	}
}

func FuzzIsOwn(f *testing.F) {
	c := plant(f, discovery, "  d: {bus: b, unit: 1, readings: {r: {coil: 1}}}\n")
	messages, _ := homeassistant.Messages(c)
	for _, m := range messages {
		f.Add(m.Topic, m.Payload)
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		if homeassistant.IsOwn(c, topic, payload) && !strings.Contains(string(payload), "modferry") {
			t.Errorf("%s %q is taken for our own", topic, payload)
		}
	})
}
