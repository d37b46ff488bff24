package golden_test

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"modferry/modbus/profile/golden"
)

func load(text string) (golden.File, error) {
	return golden.Load(fstest.MapFS{"profiles/golden/x.yaml": {Data: []byte(text)}}, "x")
}

func TestLoad(t *testing.T) {
	f, err := load(`
source: a manual
frames:
  - request: 01 04 00 01 00 01 60 0A
    reply: 01 04 02 01 31 79 74
    device: {temperature: 30.5, other: none}
    values: {temperature: "30.5"}
    after: {temperature: 30.5}
    printed: nothing
`)
	if err != nil || f.Source != "a manual" || len(f.Frames) != 1 {
		t.Fatal(f, err)
	}
	g := f.Frames[0]
	if g.Request.Unit != 1 || g.Reply.PDU.FunctionCode != 4 || len(g.Reply.PDU.Data) != 3 || g.Printed != "nothing" {
		t.Errorf("%+v", g)
	}
	if g.Device[0] != (golden.Number{Register: "temperature", Value: 30.5}) || !math.IsNaN(g.Device[1].Value) ||
		g.Values[0] != (golden.Text{Reading: "temperature", Value: "30.5"}) || g.After[0].Value != 30.5 {
		t.Errorf("%+v", g)
	}
}

func TestMistakes(t *testing.T) {
	const frame = "source: x\nframes: [{request: 01 04 00 01 00 01 60 0A, reply: 01 04 02 01 31 79 74"
	for text, want := range map[string]string{
		"frames: []": "source",
		strings.Replace(frame, "79 74", "79 75", 1) + "}]":  "CRC",
		strings.Replace(frame, "60 0A", "60 0", 1) + "}]":   "digit",
		frame + ", device: {a: hot}}]":                      "number",
		frame + ", valves: {a: 1}}]":                        "did you mean values?",
		"source: x\nframes: [{request: 01 04 00 01 00 01}]": "reply",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %q", text, err, want)
		}
	}
	if _, err := golden.Load(fstest.MapFS{}, "x"); err == nil || !strings.Contains(err.Error(), "profile x has no golden frames") {
		t.Error(err)
	}
}
