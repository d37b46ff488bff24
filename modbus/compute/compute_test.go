package compute_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"modferry/modbus/compute"
	"modferry/modbus/register"
)

// inputs are readings as text that register.Parse takes.
type inputs map[string]string

func (i inputs) names() []string {
	var names []string
	for name := range i {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (i inputs) value(t testing.TB) func(string) register.Value {
	return func(name string) register.Value {
		v, err := register.Parse([]byte(i[name]))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var plant = inputs{
	"a": "21.5", "b": "0.1", "supply-temperature": "61.2", "return-temperature": "40.9", "supply": "1000",
	"in": "7", "max": "9", "humidity": "50", "temperature": "25", "zero": "0", "on": "true",
	"trend": "[1,2,3.5]", "boiler.power": "1500", "cold-room.power": "250", "2nd": "2", "gone": "null", "negative": "-20.5",
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ expression, want string }{
		{"a - b", "21.4"},
		{"b + 0.2", "0.3"},
		{"a * 3", "64.5"},
		{"a / 4", "5.375"},
		{"1 / 3", "0.333333333333333"},
		{"-negative", "20.5"},
		{"2 ** 10", "1024"},
		{"supply-temperature - return-temperature", "20.3"},
		{"supply-temperature-return-temperature", "20.3"},
		{"supply - in", "993"},
		{"in + max", "16"},
		{"max(max, in)", "9"},
		{"min(a, b, 3)", "0.1"},
		{"max(trend)", "3.5"},
		{"sum(trend) + trend[0]", "7.5"},
		{"mean(a, b)", "10.8"},
		{"round(a)", "22"},
		{"round(negative)", "-21"},
		{"round(61.25, 1)", "61.3"},
		{"abs(negative)", "20.5"},
		{"mod(supply, 7)", "6"},
		{"dew_point(temperature, humidity)", "13.85"},
		{"boiler.power + cold-room.power", "1750"},
		{"2nd * 2", "4"},
		{"a > 20", "true"},
		{"on and a > 20 ? 1 : 2", "1"},
		{"not on", "false"},
		{"zero == 0 or a == 1", "true"},
	} {
		e, err := compute.Compile(c.expression, compute.Scope{Names: plant.names()})
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		if v, err := e.Value(plant.value(t)); err != nil || v.String() != c.want {
			t.Errorf("%s = %s, %v; want %s", c.expression, v, err, c.want)
		}
	}
}

func TestWhatCannotBeComputedIsNoValue(t *testing.T) {
	for _, expression := range []string{
		"a / zero", "zero / zero", "0 - a / zero", "sqrt(negative)", "mod(a, zero)", "a ** 9999",
		"dew_point(temperature, zero)", "dew_point(temperature, negative)", "a + gone", "trend[5]", "trend + 1", "a + on", "trend", "total(a / zero)",
	} {
		e, err := compute.Compile(expression, compute.Scope{Names: plant.names()})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if v, err := e.Value(plant.value(t)); err == nil || !v.IsNull() {
			t.Errorf("%s = %s, without an error", expression, v)
		}
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	for _, c := range []struct {
		expression, want string
		column           int
	}{
		{"a + temperatur", "no reading and no function temperatur: readings are 2nd, a,", 5},
		{"a +", "something is missing at the end", 3},
		{"a b", "cannot stand here", 3},
		{"supply-temperature + nothing-there", "no reading and no function nothing", 22},
		{"dew_point(a)", "not enough arguments", 1},
		{"total()", "total", 1},
		{"total(a, 1, 2)", "total", 1},
		{"map(trend, # * 2)", "", 0},
		{"1..1000000", "cannot stand in a computed reading", 0},
		{"let x = a; x", "", 0},
		{"a matches 'b'", "cannot stand", 0},
		{"{a: 1}", "cannot stand", 0},
		{"trend[0:2]", "cannot stand", 0},
		{"'x'.y", "", 0},
		{"true + 1", "", 0},
		{"", "something is missing", 0},
		{strings.Repeat("a+", 500) + "a", "at most 1000", 0},
	} {
		_, err := compute.Compile(c.expression, compute.Scope{Names: plant.names()})
		var wrong *compute.Error
		if !errors.As(err, &wrong) {
			t.Errorf("%s: error %v", c.expression, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || c.column > 0 && wrong.Column != c.column || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q at %d, want %q at %d", c.expression, err, wrong.Column, c.want, c.column)
		}
	}
}

// A reading hides an operator of its name, and only then.
func TestMembers(t *testing.T) {
	if _, err := compute.Compile("a in [1, 2]", compute.Scope{Names: []string{"a", "in"}}); err == nil {
		t.Error("in is a reading here")
	}
	e, err := compute.Compile("a in [1, 2] ? 10 : 20", compute.Scope{Names: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := e.Value(inputs{"a": "2"}.value(t)); err != nil || v.String() != "10" {
		t.Errorf("%s, %v; want 10", v, err)
	}
}

func TestInputs(t *testing.T) {
	e, err := compute.Compile("in - a + boiler.power - a + abs(b) + total(a) + ('max' == 'a' ? 1 : 0)", compute.Scope{Names: plant.names()})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"in", "a", "boiler.power", "b"}; !slices.Equal(e.Inputs(), want) {
		t.Errorf("inputs %v, want %v", e.Inputs(), want)
	}
}

func TestTotalCountsOverRollOversAndRestarts(t *testing.T) {
	names := []string{"pulses"}
	e, err := compute.Compile("total(pulses, 65536)", compute.Scope{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	step := func(e *compute.Expression, pulses, want string) {
		t.Helper()
		if v, err := e.Value(inputs{"pulses": pulses}.value(t)); err != nil || v.String() != want {
			t.Errorf("%s pulses: %s, %v; want %s", pulses, v, err, want)
		}
	}
	step(e, "65000", "65000")
	step(e, "65000", "65000")
	step(e, "65535", "65535")
	step(e, "4", "65540")   // rolled over
	step(e, "300", "65836") // counts on
	step(e, "20", "65856")  // began again
	next, err := compute.Compile("total(pulses, 65536)", compute.Scope{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	next.Resume(e.Totals())
	step(next, "30", "65866")
}

func TestEachTotalCountsForItself(t *testing.T) {
	e, err := compute.Compile("total(a, 100) + total(b, 100)", compute.Scope{Names: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ a, b, want string }{{"90", "80", "170"}, {"10", "95", "205"}, {"20", "5", "225"}} {
		if v, err := e.Value(inputs{"a": c.a, "b": c.b}.value(t)); err != nil || v.String() != c.want {
			t.Errorf("a %s, b %s: %s, %v; want %s", c.a, c.b, v, err, c.want)
		}
	}
}

// The reference values are of the tables of [WMO-No. 8].
func TestDewPoint(t *testing.T) {
	e, err := compute.Compile("dew_point(t, h)", compute.Scope{Names: []string{"t", "h"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t, h string
		want float64
	}{{"20", "50", 9.3}, {"25", "100", 25}, {"30", "70", 23.9}, {"-10", "80", -12.8}} {
		v, err := e.Value(inputs{"t": c.t, "h": c.h}.value(t))
		if err != nil || math.Abs(v.Float()-c.want) > 0.15 {
			t.Errorf("%s °C and %s %%: %s, %v; want %v", c.t, c.h, v, err, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	uses := map[string][]string{"c": {"b", "x"}, "b": {"a"}, "a": nil}
	order, err := compute.Order([]string{"c", "a", "b"}, func(n string) []string { return uses[n] })
	if want := []string{"a", "b", "x", "c"}; err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, %v; want %v", order, err, want)
	}
	uses["a"] = []string{"c"}
	var cycle *compute.CycleError
	if _, err := compute.Order([]string{"x", "c"}, func(n string) []string { return uses[n] }); !errors.As(err, &cycle) || len(cycle.Names) != 3 {
		t.Errorf("error %v, want the three that use each other", err)
	}
	uses["a"] = []string{"a"}
	if _, err := compute.Order([]string{"a"}, func(n string) []string { return uses[n] }); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("error %v, want that it uses itself", err)
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"a - b", "total(a, 65536)", "dew_point(a, b)", "on ? a : 'x'", "trend[0] in [1,2]", "a-b.c", "\"\\\"", "((((", "a ** a ** a"} {
		f.Add(s)
	}
	names := plant.names()
	f.Fuzz(func(t *testing.T, s string) {
		e, err := compute.Compile(s, compute.Scope{Names: names})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: the error has several lines: %q", s, err)
			}
			return
		}
		v, err := e.Value(plant.value(t))
		if (err == nil) == v.IsNull() {
			t.Errorf("%q: %s, %v", s, v, err)
		}
	})
}

// Texts and names are values as numbers are.
func TestTextsAreValues(t *testing.T) {
	state := inputs{"state": `"cool"`, "model": `"MF-100"`, "alarms": `["door","hot"]`}
	for expression, want := range map[string]string{
		"state":                            "cool",
		"state == 'cool' ? 'on' : 'off'":   "on",
		"state == 'cool'":                  "true",
		"state in ['cool', 'heat']":        "true",
		"'door' in alarms":                 "true",
		"'cold' in alarms":                 "false",
		"model + ' ' + state":              "MF-100 cool",
		"plant.state == state ? model: ''": "MF-100",
	} {
		e, err := compute.Compile(expression, compute.Scope{Device: "plant", Names: state.names(), KindOf: kinds})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if v, err := e.Value(state.value(t)); err != nil || v.String() != want {
			t.Errorf("%s = %s, %v; want %s", expression, v, err, want)
		}
	}
}

// kinds are of readings of these names.
func kinds(name string) compute.Kind {
	f := map[string]register.Field{
		"level":  {Type: register.Int16},
		"pump":   {Type: register.Bool},
		"model":  {Type: register.String, Count: 8},
		"clock":  {Type: register.TimeUnix},
		"state":  {Type: register.Uint16, Names: []register.Name{{Number: 1, Name: "heat"}, {Number: 2, Name: "cool"}}},
		"alarms": {Type: register.Uint16, Flags: []register.Name{{Number: 0, Name: "door"}, {Number: 1, Name: "hot"}, {Number: 2, Name: "cold"}}},
		"trend":  {Type: register.Int16, Count: 3},
		"coils":  {Type: register.Bool, Count: 4},
	}[name]
	return compute.KindOf(f)
}

func TestWhatDoesNotGoTogetherIsTold(t *testing.T) {
	names := []string{"level", "pump", "model", "clock", "state", "alarms", "trend", "coils"}
	for expression, want := range map[string]string{
		"coils[0] + 1":             "coils[0] is true or false, no number: write (coils[0] ? 1 : 0), at character 1",
		"model + 1":                "model is a text, no number",
		"level * clock":            "clock is a text, no number, at character 9",
		"level > model":            "model is a text",
		"trend + 1":                "trend is a block of 3 values: take one of them, such as trend[0], or sum(trend)",
		"trend":                    "the result must be one value: trend is a block of 3 values",
		"level > 0 ? trend : 1":    "the result must be one value",
		"trend[3]":                 "trend has 3 values, [0] to [2]",
		"level[0]":                 "level is one value",
		"abs(trend)":               "trend is a block",
		"sum(model)":               "model is a text",
		"alarms + 1":               "ask for one, such as 'door' in alarms",
		"alarms":                   "the result must be one value: alarms is the list of flags",
		"alarms[0] == 'door'":      "'door' in alarms",
		"'dor' in alarms":          "is no flag of alarms: they are door, hot, cold",
		"1 in alarms":              "is no flag",
		"level in pump":            "pump is one value: write a list",
		"state + 1":                "state is one of the names heat, cool, no number: compare it, such as state == 'heat'",
		"state == 'coool'":         "state is never \"coool\": its names are heat, cool",
		"state in ['heat', 'dry']": "state is never \"dry\"",
		"2 == state":               "write 'cool' instead of 2",
		"level == 'x'":             "are never equal",
		"pump == 1":                "are never equal",
		"level and pump":           "level is not true or false",
		"not level":                "level is not true or false",
		"level ? 1 : 2":            "level is not true or false",
		"-model":                   "model is a text",
		"level +":                  "something is missing at the end",
	} {
		_, err := compute.Compile(expression, compute.Scope{Names: names, KindOf: kinds})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", expression, err, want)
		}
	}
	for expression := range slices.Values([]string{"x + 'a'", "x < 'a'", "x == 'a'", "'a' in x", "x[9]", "x ? 1 : x", "-x"}) {
		if _, err := compute.Compile(expression, compute.Scope{Names: []string{"x"}}); err != nil {
			t.Errorf("%s of what is not known: %v", expression, err)
		}
	}
	for _, good := range []string{
		"sum(coils) + sum(trend, 1)", "max(pump, level)", "trend[2] + level", "coils[3] and not pump", "state == 7", "state == state",
		"clock < '2026-01-01T00:00:00Z'", "pump ? level : state", "level in trend", "(state == 'heat' ? 1 : 0) + 1", "model == 'a' or model in ['b']", "level == 1.5", "(pump ? 'a' : 'b') + model",
	} {
		if _, err := compute.Compile(good, compute.Scope{Names: names, KindOf: kinds}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
