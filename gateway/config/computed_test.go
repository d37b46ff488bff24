package config_test

import (
	"strings"
	"testing"

	"modferry/gateway/config"
)

func TestComputedReadings(t *testing.T) {
	devices := func(text string) string { return minimal("tcp: h", "devices:\n"+text) }
	for text, want := range map[string]string{
		"  d: {bus: b, unit: 1, readings: {r: {compute: 2 * e.levle}}}\n  e: {bus: b, unit: 2, readings: {level: {coil: 1}}}":                                         "device e has no reading levle",
		"  d: {bus: b, unit: 1, readings: {r: {compute: 1.5 * f.level}}}\n  e: {bus: b, unit: 2, readings: {level: {coil: 1}}}":                                       "there is no device f with a reading level",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: a-e-1.a*0.5}}}\n  e-1: {bus: b, unit: 2, readings: {a: {input: 1, type: int16}}}": "",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: d.a + 1}}}":                                                                       "",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: d.b}}}":                                                                                         "device d has no reading b",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: d.r}}}":                                                                                         "reading d.r is computed from itself",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1, count: 3}, r: {compute: 'a[0] + 1'}}}":                                                                        "g.yaml:6:72: devices.d.readings.r.compute: reading r cannot be computed: a[0] is true or false, no number",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: string, count: 3}, r: {compute: a + 1}}}":                                                              "a is a text, no number",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16, count: 3}, r: {compute: 'a[3]'}}}":                                                              "a has 3 values, [0] to [2]",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16, enum: {1: x}}, s: {compute: a}, r: {compute: s == 'y'}}}":                                       "s is never \"y\": its names are x",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16, enum: {1: x}}, r: {compute: a == 'x'}}}":                                                        "",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: a, enum: {1: x}}, s: {compute: r + 1}}}":                                          "r is one of the names x, no number",
		"  d: {bus: b, unit: 1, readings: {r: {compute: 2 * e.a}}}\n  e: {bus: b, unit: 2, readings: {a: {coil: 1}}}":                                                 "e.a is true or false, no number",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: 'a ? \"x\" : \"y\"', deadband: 1}}}":                                                            "the result is a text: remove deadband",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: a + 1}}}":                                                                         "",
		"  d: {bus: b, unit: 1, readings: {r: {compute: s}, s: {compute: a}, a: {coil: 1}}}":                                                                          "",
		"  d: {bus: b, profile: xy-md02, readings: {dew: {compute: 'dew_point(temperature, humidity)'}}}":                                                             "",
		"  d: {bus: b, unit: 1, readings: {r: {compute: e.a}}}\n  e: {bus: b, unit: 2, readings: {a: {coil: 1}}}":                                                     "",
		"  d: {bus: b, unit: 1, readings: {r: {compute: e.s}}}\n  e: {bus: b, unit: 2, readings: {a: {coil: 1}, s: {compute: a}}}":                                    "",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: a +}}}":                                                                                         "devices.d.readings.r.compute: reading r cannot be computed: something is missing at the end",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: c}}}":                                                                                           "no reading and no function c",
		"  d: {bus: b, unit: 1, readings: {r: {compute: e.b}}}\n  e: {bus: b, unit: 2, readings: {a: {coil: 1}}}":                                                     "devices.d.readings.r.compute",
		"  d: {bus: b, unit: 1, readings: {r: {compute: r}}}":                                                                                                         "reading d.r is computed from itself",
		"  d: {bus: b, unit: 1, readings: {r: {compute: s}, s: {compute: r}}}":                                                                                        "the readings d.r, d.s are computed from each other",
		"  d: {bus: b, unit: 1, readings: {a: {coil: 1}, r: {compute: e.r}}}\n  e: {bus: b, unit: 2, readings: {r: {compute: d.r}}}":                                  "the readings d.r, e.r are computed from each other",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: a + 1, holding: 1}}}":                                                             "a computed reading has no holding",
	} {
		_, err := config.Parse("g.yaml", []byte(devices(text)), options())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s:\n got %v\nwant %q", text, err, want)
		}
	}
}
