package fault_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"modferry/simulator/fault"
)

func TestFaultMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "nothing goes wrong",
		"functions: 3":                         "nothing goes wrong",
		"delay: 1s, functions: red":            `functions "red": expected a code`,
		"delay: 1s, functions: 128":            "functions",
		"delay: 1s, units: 1-256":              "units 1-256: unit ids are 0 to 255",
		"delay: 1s, units: 8-1":                "a range such as 1-8",
		"delay: 1s, units: x":                  "a range such as 1-8",
		"delay: 1s, addresses: 65536":          "a range",
		"delay: 1s, addresses: 0x0100-":        "a range",
		"delay: 2h":                            "delay",
		"delay: 5":                             "delay",
		"dely: 1s":                             "did you mean delay?",
		"exception: 0":                         "exception",
		"exception: 256":                       "exception",
		"drop: all":                            "request or reply",
		"drop: reply, truncate: 3":             "drop sends no reply: remove truncate",
		"exception: 1, short: 1":               "exception and short exclude each other",
		"raw: 00, bad_check: true":             "raw is sent as it is: remove bad_check",
		"raw: xyz":                             "bytes in hex",
		"reply: []":                            "reply",
		"bad_check: true, close: true":         "no line has both",
		"nth: 2, every: 2, delay: 1s":          "nth and every exclude each other",
		"probability: 0, delay: 1s":            "probability: it is above 0",
		"probability: 1.5, delay: 1s":          "probability",
		"drip: {bytes: 1}":                     "every",
		"noise: {bytes: FF}":                   "how many bytes",
		"noise: {before: 2000}":                "1024",
		"until: tomorrow, delay: 1s":           "2026-01-31T12:00:00Z",
		"faces: [tcp, ptty], delay: 1s":        `faces "ptty": possible are tcp, tls`,
		"name: a b, delay: 1s":                 "name",
		`{"delay": "1s", "name": "x/y"}`:       "name",
		"delay: 1s\nunits: 1":                  "", // as YAML stands in a file
		`{"delay": "1s", "units": [1, "3-4"]}`: "",
		"{delay: 1s, functions: [read, 0x10]}": "",
		"delay: 1s, exception: 4, also: true":  "",
		"wrong_unit: 3, duplicate: 100":        "",
		"noise: {before: 3}, drip: {bytes: 1, every: 20ms}": "",
	} {
		f, err := fault.Parse([]byte(text))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v; want %q", text, f, err, want)
		}
	}
}

// A fault is written as it is read.
func TestFaultJSON(t *testing.T) {
	for _, text := range []string{
		"name: all, units: [1, 3-4], functions: [read, 3], addresses: 0x10-0x20, faces: tcp, every: 2, probability: 0.5, seed: 3, count: 9, after: 1s, for: 1m, until: 2026-01-31T12:00:00.5Z, also: true, " +
			"reply: 0401, wrong_unit: 2, wrong_transaction: 3, truncate: 4, duplicate: 5, noise: {before: 1, after: 2, bytes: 00FF}, echo: true, delay: 15ms, drip: {bytes: 1, every: 20ms}, close: true",
		"drop: reply", "exception: 3, nth: 4", "short: 2, bad_check: true", "raw: 00", "noise: {after: 1}",
	} {
		f, err := fault.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if g, err := fault.Parse(b); err != nil || !reflect.DeepEqual(f, g) {
			t.Errorf("%s\nbecomes %s\nand that %+v, %v", text, b, g, err)
		}
	}
}

// No text is more than a mistake, and what is a fault stays the same.
func FuzzParseFault(f *testing.F) {
	for _, text := range []string{"delay: 1s", `{"raw": "00", "units": [1]}`, "noise: {before: 3, bytes: 00}", "drip: {bytes: 1, every: 1ms}, until: 2026-01-31T12:00:00Z", "{", "a: [", "units: -"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := fault.Parse(text)
		if err != nil {
			return
		}
		if err := one.Check(); err != nil {
			t.Fatalf("%q was read, but %v", text, err)
		}
		b, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := fault.Parse(b); err != nil || !reflect.DeepEqual(again, one) {
			t.Fatalf("%q becomes %s, and that %+v, %v", text, b, again, err)
		}
	})
}
