package control

import (
	"testing"
	"time"

	"modferry/modbus/profile"
	"modferry/simulator"
)

const moving = `
title: x
readings: {none: {coil: 999}}
registers:
  wave: {input: 0, type: int16, wave: {mean: 20, amplitude: 5, period: 40s}}
  count: {input: 1, type: uint16, rises: 3600, initial: 100}
  least: {input: 2, type: int16, min: -5, walk: {step: 1}, initial: 20}
  most: {input: 3, type: int16, max: 50, walk: {step: 1}, initial: 20}
  float: {input: 4, type: float32, ramp: {from: 1, to: 2, over: 10s}}
  offset: {holding: 0, type: int16, corrects: corrected}
  corrected: {input: 7, type: int16, wave: {mean: 20, amplitude: 5, period: 40s}}
  door: {discrete: 0, steps: {values: [0, 1], every: 10s}}
  sum: {input: 8, type: int16, compute: offset * 2}
`

// A value that is put is what the register holds from then on, until it is released;
// one that it cannot hold is refused.
func TestPinnedValues(t *testing.T) {
	p, err := profile.Parse("x.yaml", []byte(moving))
	if err != nil {
		t.Fatal(err)
	}
	clock := simulator.NewPausedClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	b := newBench(t, simulator.Options{Profile: p, Clock: clock}, "")
	const at = "/devices/1/values/"
	for name, bodies := range map[string][][2]string{
		"wave":  {{"33", `"value":33`}, {"-32768", `"value":-32768`}},
		"count": {{"0", `"value":0`}, {"65535", `"value":65535`}}, "door": {{"true", `"value":true`}, {"false", `"value":false`}, {"1", `"value":true`}},
		"sum": {{"7", `"value":7`}},
	} {
		for _, one := range bodies {
			b.want("PUT "+at+name, one[0], 200, one[1])
			b.want("POST /clock/step", `{"by": "10s"}`, 200, "")
			b.want("GET "+at+name, "", 200, one[1])
		}
		b.want("DELETE "+at+name, "", 200, `"pinned":false`)
	}
	b.want("PUT /devices/1/tables/holding/0", `{"values": [10]}`, 200, "")
	for name, bodies := range map[string][][2]string{
		"wave": {{"100000", "wave: 100000 does not fit into int16"}, {`"x"`, "wave: "}}, "count": {{"-1", "count: -1 does not fit into uint16"}, {"70000", "uint16"}, {"null", "without a value"}},
		"least": {{"-9", "least cannot be -9: it is at least -5"}}, "most": {{"99", "most cannot be 99: it is at most 50"}}, "float": {{"1e39", "float32"}, {"true", "needs a number"}},
		"door": {{"2", "need true or false"}}, "corrected": {{"32760", "with its correction of 10, 32770 does not fit"}},
	} {
		before, _ := b.ask("GET "+at+name, "")
		for _, one := range bodies {
			b.want("PUT "+at+name, one[0], 400, one[1])
		}
		if after, _ := b.ask("GET "+at+name, ""); after != before {
			t.Errorf("%s: %v was refused, and changed something", name, bodies)
		}
	}
}

// Raw contents and values by name of the same register: the last one that was put is
// what is read.
func TestPinnedOverPinned(t *testing.T) {
	p, err := profile.Parse("x.yaml", []byte(moving))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, simulator.Options{Profile: p}, "")
	b.want("PUT /devices/1/tables/input/0", `{"values": [7], "pin": true}`, 200, "")
	b.want("PUT /devices/1/tables/input/0", `{"values": [8]}`, 200, "")
	b.want("GET /devices/1/values/wave", "", 200, `"value":8`)
	b.want("PUT /devices/1/values/wave", "33", 200, `"value":33`)
	b.want("DELETE /devices/1/values/wave", "", 200, `"pinned":false`)
	b.want("PUT /devices/1/tables/input/0", `{"values": [9]}`, 400, "wave moves by itself")
}
