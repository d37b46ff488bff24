package device_test

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"modferry/modbus/profile"
	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

// made returns a device with these registers, and its clock.
func made(t testing.TB, registers string) (*device.Device, *simulatortest.Clock) {
	t.Helper()
	p, err := profile.Parse("x.yaml", []byte("title: x\nreadings: {none: {coil: 999}}\nregisters:\n"+registers))
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	return newDevice(t, device.Options{Profile: p, Unit: 1, Seed: 3}, c.Now), c
}

// Each model has these values at these times.
func TestModels(t *testing.T) {
	type samples map[time.Duration]float64
	for text, want := range map[string]samples{
		"initial: 4.5": {0: 4.5, time.Hour: 4.5},
		"wave: {mean: 10, amplitude: 5, period: 4m}":                {0: 10, time.Minute: 15, 2 * time.Minute: 10, 3 * time.Minute: 5, 61 * time.Minute: 15},
		"wave: {mean: 10, amplitude: 5, period: 4m}, max: 12":       {time.Minute: 12},
		"saw: {from: 0, to: 10, period: 10s}":                       {0: 0, 4 * time.Second: 4, 9*time.Second + 900*time.Millisecond: 9, 10 * time.Second: 0, time.Hour + 3*time.Second: 3},
		"saw: {from: 10, to: 0, period: 10s, sample: 500ms}":        {0: 10, 2500 * time.Millisecond: 7.5, 2900 * time.Millisecond: 7.5, 3 * time.Second: 7},
		"ramp: {from: -5, to: 5, over: 10s}":                        {0: -5, 5 * time.Second: 0, 10 * time.Second: 5, time.Hour: 5},
		"steps: {values: [1, 4, 2], every: 10s}":                    {0: 1, 10 * time.Second: 4, 29 * time.Second: 2, 30 * time.Second: 1, 30*time.Hour + 10*time.Second: 4},
		"steps: {values: [1, 4, 2], every: 10s, loop: false}":       {0: 1, 25 * time.Second: 2, time.Hour: 2},
		"initial: 7, rises: 3600":                                   {0: 7, time.Second: 8, time.Minute: 67},
		"initial: 7, rises: 3600, max: 10":                          {3 * time.Second: 10, time.Hour: 10},
		"initial: 7, rises: 3600, max: 9, rolls_over: true":         {2 * time.Second: 9, 3 * time.Second: 0, 12 * time.Second: 9, 13 * time.Second: 0, 1000000 * time.Second: 7},
		"rises: 3600, min: 5, max: 9, initial: 5, rolls_over: true": {4 * time.Second: 9, 5 * time.Second: 5, 6 * time.Second: 6},
		"wave: {mean: 10, amplitude: 5, period: 4m, resolution: 2}": {20 * time.Second: 12, time.Minute: 16},
	} {
		d, c := made(t, "  v: {input: 0, type: float32, "+text+"}")
		for at := time.Duration(0); at <= 1000000*time.Second && len(want) > 0; {
			if v, ok := want[at]; ok {
				if got := number(t, d, "v"); math.Abs(got-v) > 1e-5 {
					t.Errorf("%s: %v at %v, want %v", text, got, at, v)
				}
				delete(want, at)
			}
			step := time.Duration(math.MaxInt64)
			for next := range want {
				step = min(step, next-at)
			}
			if len(want) > 0 {
				c.Advance(step)
				at += step
			}
		}
	}
}

// A walk stays within its bounds, changes by no more than its step, gets about, and
// does not depend on how often it is asked.
func TestWalk(t *testing.T) {
	const text = "  v: {input: 0, type: int16, scale: 0.01, min: 18, max: 22, initial: 20, walk: {step: 0.5}}"
	often, clock1 := made(t, text)
	rarely, clock2 := made(t, text)
	last, lowest, highest := 20.0, 20.0, 20.0
	for i := range 2000 {
		v := number(t, often, "v")
		if v < 18 || v > 22 || math.Abs(v-last) > 0.5100001 {
			t.Fatalf("it goes from %v to %v", last, v)
		}
		last, lowest, highest = v, min(lowest, v), max(highest, v)
		if i%100 == 99 {
			if other := number(t, rarely, "v"); other != v {
				t.Fatalf("sample %d is %v or %v", i, v, other)
			}
		}
		clock1.Advance(time.Second)
		clock2.Advance(time.Second)
	}
	if lowest > 18.5 || highest < 21.5 {
		t.Errorf("in 2000 steps it was only from %v to %v", lowest, highest)
	}
	clock1.Advance(math.MaxInt64 / 2)
	if v := number(t, often, "v"); v < 18 || v > 22 {
		t.Errorf("after centuries: %v", v)
	}
}

const oven = `
  setpoint: {holding: 0, type: int16, scale: 0.1, initial: 100}
  heater: {coil: 0, initial: 1}
  temperature: {input: 0, type: int16, scale: 0.1, thermal: {follows: setpoint, switch: heater, ambient: 20, tau: 60s}}
`

// A temperature comes nearer to its set-point as physics says, and back to that of
// the room when the heater is off.
func TestThermal(t *testing.T) {
	d, c := made(t, oven)
	expect := func(when string, want float64) {
		t.Helper()
		if got := number(t, d, "temperature"); math.Abs(got-want) > 0.051 {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	expect("at first", 20)
	c.Advance(time.Minute)
	expect("after one tau", 100-80/math.E)
	c.Advance(10 * time.Minute)
	expect("after eleven", 100)
	ask(t, d, "06000001F4") // 50 °C
	expect("at once after the set-point", 100)
	c.Advance(time.Minute)
	expect("a tau after it", 50+50/math.E)
	ask(t, d, "0500000000")
	c.Advance(2 * time.Minute)
	expect("two after the heater is off", 20+(30+50/math.E)/(math.E*math.E))
}

// What the temperature is does not depend on who else asks.
func TestThermalDoesNotDependOnReads(t *testing.T) {
	alone, clock1 := made(t, oven)
	watched, clock2 := made(t, oven)
	for i := range 300 {
		clock1.Advance(time.Second)
		clock2.Advance(time.Second)
		number(t, watched, "temperature")
		if i%50 == 25 {
			for _, d := range []*device.Device{alone, watched} {
				ask(t, d, fmt.Sprintf("060000%04X", 300+20*i))
			}
		}
		if i%7 == 0 {
			if a, w := number(t, alone, "temperature"), number(t, watched, "temperature"); a != w {
				t.Fatalf("second %d: %v, and %v for who asks often", i, a, w)
			}
		}
	}
}

// A sensor is unplugged for a while.
func TestSteppingToNoValue(t *testing.T) {
	d, c := made(t, "  t: {input: 3, type: int16, scale: 0.1, no_data: 0x8000, steps: {values: [21.5, none], every: 5s}}")
	for _, want := range []string{"040200D7", "04028000", "040200D7"} {
		if got := ask(t, d, "0400030001"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c.Advance(5 * time.Second)
	}
}

func TestSteppingBits(t *testing.T) {
	d, c := made(t, "  door: {discrete: 3, steps: {values: [0, 1], every: 5s}}")
	for _, want := range []string{"020100", "020101", "020100"} {
		if got := ask(t, d, "0200030001"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c.Advance(5 * time.Second)
	}
}

// What is computed from other registers follows them, at once and in whatever order
// they are described.
func TestComputed(t *testing.T) {
	d, c := made(t, `
  far: {input: 4, type: int16, compute: double + 1}
  double: {input: 0, type: int16, max: 300, compute: 2 * flow-rate}
  hot: {discrete: 0, compute: temperature > limit}
  broken: {input: 6, type: int16, no_data: 0x7FFF, compute: 1 / (limit - 50)}
  flow-rate: {holding: 0, type: uint16, initial: 7}
  limit: {holding: 1, type: uint16, initial: 50}
  temperature: {input: 2, type: int16, saw: {from: 40, to: 60, period: 20s}}
`)
	for _, step := range []struct{ request, want string }{
		{"0400000001", "0402000E"},
		{"0400040001", "0402000F"},
		{"0600000064", "0600000064"},
		{"0400000001", "040200C8"},
		{"0400040001", "040200C9"},
		{"06000003E8", "06000003E8"},
		{"0400000001", "0402012C"},
		{"0400040001", "0402012D"},
		{"0200000001", "020100"},
		{"0400060001", "04027FFF"},
		{"0600010031", "0600010031"},
		{"0400060001", "0402FFFF"},
	} {
		if got := ask(t, d, step.request); got != step.want {
			t.Errorf("%s: %s, want %s", step.request, got, step.want)
		}
	}
	c.Advance(15 * time.Second)
	if got := ask(t, d, "0200000001"); got != "020101" {
		t.Errorf("at 55 of 49: %s", got)
	}
}

func TestComputedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a: {input: 0, type: int16, compute: b + 1}\n  c: {holding: 0, type: int16}":                                                     "register a: ",
		"a: {input: 0, type: int16, compute: b}\n  b: {holding: 0, type: string, count: 2}":                                              "is a text",
		"a: {input: 0, type: int16, compute: a + 1}":                                                                                     "register a: ",
		"a: {input: 0, type: int16, compute: b + 1}\n  b: {input: 1, type: int16, compute: c}\n  c: {input: 2, type: int16, compute: a}": "computed from each other: a, b, c",
	} {
		p, err := profile.ParseDevice("x.yaml", []byte("registers:\n  "+text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := device.New(device.Options{Profile: p}, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
