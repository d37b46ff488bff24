package homeassistant_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// render is how Home Assistant makes a state of a payload: value is its text, and
// value_json what it is as JSON, if it is JSON.
const render = `
import json, sys, jinja2
for template, payload in json.load(sys.stdin):
    known = {"value": payload}
    try: known["value_json"] = json.loads(payload)
    except ValueError: pass
    print(json.dumps(jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(known)))
`

// TestTemplates renders the templates with the template engine of Home Assistant.
func TestTemplates(t *testing.T) {
	python := gatewaytest.NeedPython(t, "jinja2")
	enum := `holding: 1, type: uint16, enum: {0: "off", 1: 'a "b" \ {{ü}} %}', 7: "7"}`
	cases := []struct{ keys, reading, template, payload, want string }{
		{"", "input: 1, type: int16", "value_template", `{"value":-20.5,"quality":"good"}`, "-20.5"},
		{"", "input: 1, type: int16", "value_template", `{"value":null,"quality":"bad"}`, "None"},
		{"", "coil: 1", "value_template", `{"value":true}`, "True"},
		{"", "coil: 1, set: {}", "value_template", `{"value":false}`, "False"},
		{"", "coil: 1", "value_template", `{"value":null}`, "None"},
		{"", enum, "value_template", `{"value":"off"}`, "off"},
		{"", enum, "value_template", `{"value":"a \"b\" \\ {{ü}} %}"}`, `a "b" \ {{ü}} %}`},
		{"", enum, "value_template", `{"value":5}`, "None"},
		{"", enum, "value_template", `{"value":null}`, "None"},
		{"payload: value, ", enum, "value_template", "off", "off"},
		{"payload: value, ", enum, "value_template", "7", "7"},
		{"payload: value, ", enum, "value_template", "5", "None"},
		{"", enum + ", set: {}", "command_template", `a "b"`, `{"value": "a \"b\""}`},
		{"", "holding: 1, type: uint16, flags: {0: pump, 3: alarm}", "value_template", `{"value":["pump","alarm"]}`, "pump, alarm"},
		{"", "holding: 1, type: uint16, flags: {0: pump, 3: alarm}", "value_template", `{"value":[]}`, "-"},
		{"", "holding: 1, type: uint16, flags: {0: pump, 3: alarm}", "value_template", `{"value":null}`, "None"},
		{"payload: value, ", "holding: 1, type: uint16, flags: {0: pump, 3: alarm}", "value_template", `["alarm"]`, "alarm"},
	}
	var jobs [][2]string
	for _, c := range cases {
		_, e := one(t, c.keys, c.reading)
		template, _ := e[c.template].(string)
		if template == "" {
			t.Fatalf("%s has no %s", c.reading, c.template)
		}
		jobs = append(jobs, [2]string{template, c.payload})
	}
	for _, payload := range []string{`{"value":1,"quality":"good"}`, `{"value":1,"quality":"stale"}`, `{"value":null,"quality":"bad"}`} {
		_, e := one(t, "", "coil: 1")
		quality := e["availability"].([]any)[2].(map[string]any)["value_template"].(string)
		jobs = append(jobs, [2]string{quality, payload})
	}
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(python, "-c", render)
	run.Stdin = strings.NewReader(string(input))
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, c := range cases {
		if got := text(t, lines[i]); got != c.want {
			t.Errorf("%s of %s makes %q of %s, want %q", c.template, c.reading, got, c.payload, c.want)
		}
	}
	for i, want := range []string{"online", "offline", "offline"} {
		if got := text(t, lines[len(cases)+i]); got != want {
			t.Errorf("the quality makes it %s, want %s", got, want)
		}
	}
}

func text(t *testing.T, line string) (s string) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
