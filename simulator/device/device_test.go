package device_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"modferry/modbus/profile"
	"modferry/simulator/device"
)

// Each step is a request's PDU and its reply's.
func TestXYMD02Registers(t *testing.T) {
	d := newDevice(t, device.Options{Profile: xymd02(t), Unit: 1}, nil)
	for name, v := range map[string]float64{"temperature": 30.5, "humidity": 54.6} {
		if err := d.Pin(name, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ name, request, want string }{
		{"both values", "0400010002", "0404 0131 0222"},
		{"new device", "0301010004", "0308 0001 2580 0000 0000"},
		{"temperature correction +1.0", "060103000A", "06 0103 000A"},
		{"temperature is shifted", "0400010002", "0404 013B 0222"},
		{"negative correction of both", "10 0103 0002 04 FF9C FFFF", "10 0103 0002"},
		{"both are shifted", "0400010002", "0404 00CD 0221"},
		{"correction reads back", "0301030002", "0304 FF9C FFFF"},
		{"correction beyond 10.0", "0601030065", "8603"},
		{"correction below -10.0", "060103FF9B", "8603"},
		{"address 0", "0601010000", "8603"},
		{"address 248", "06010100F8", "8603"},
		{"baud that it does not have", "0601021C20", "8603"},
		{"baud as a code", "0601020002", "06 0102 0002"},
		{"baud reads back as a rate", "0301020001", "0302 4B00"},
		{"baud as a rate", "0601023840", "06 0102 3840"},
		{"one bad value of four", "10 0101 0004 08 0009 0000 0000 0065", "9003"},
		{"nothing has changed", "0301010004", "0308 0001 3840 FF9C FFFF"},
		{"codes in a multi-write", "10 0101 0002 04 0009 0001", "10 0101 0002"},
		{"address and rate read back", "0301010002", "0304 0009 3840"},
		{"input at 0", "0400000001", "8402"},
		{"input beyond", "0400020002", "8402"},
		{"holding at 0x0100", "0301000002", "8302"},
		{"write beyond", "10 0104 0002 04 0000 0000", "9002"},
		{"quantity 0", "0400010000", "8403"},
		{"coils", "0100000001", "8101"},
		{"inputs", "0200000001", "8201"},
		{"write coil", "050000FF00", "8501"},
		{"mask write", "160103FFFF0000", "9601"},
		{"read/write", "17 0101 0001 0101 0001 02 0001", "9701"},
		{"diagnostics", "0800000000", "8801"},
		{"identification", "2B0E0100", "AB01"},
	} {
		if got, want := ask(t, d, step.request), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Fatalf("%s: %s, want %s", step.name, got, want)
		}
	}
}

func TestRegisterThatAppliesAtOnce(t *testing.T) {
	p, err := profile.Parse("x.yaml", []byte(`
title: x
readings: {a: {input: 0, type: int16}}
registers:
  address: {holding: 0x07D0, type: uint16, initial: 1, min: 1, max: 254, is: unit}
  whole: {holding: 10, type: float32, order: little-swap, min: 0, max: 1}
  fixed: {holding: 12, type: uint16, initial: 7, read_only: true}
  relay: {coil: 0, count: 3, initial: 1}
`))
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, device.Options{Profile: p, Unit: 5}, nil)
	for _, step := range []struct{ name, request, want string }{
		{"its own address", "0307D00001", "03020005"},
		{"new address", "0607D00006", "0607D00006"},
		{"new coils", "0100000003", "010107"},
		{"coil off", "0500010000", "0500010000"},
		{"coils", "0100000003", "010105"},
		{"float in range", "10 000A 0002 04 0000 3F00", "10000A0002"},
		{"half of it", "06000B4000", "8603"},
		{"float NaN", "10 000A 0002 04 0000 7FC0", "9003"},
		{"read-only", "06000C0001", "8602"},
		{"all as it should be", "03000A0003", "030600003F000007"},
	} {
		if got := ask(t, d, step.request); got != strings.ReplaceAll(step.want, " ", "") {
			t.Fatalf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if d.Unit() != 6 {
		t.Errorf("unit %d", d.Unit())
	}
}

// Ten minutes of values: they begin above zero, go below it and come back, in steps
// that a thermometer could show, and humidity moves the other way.
func TestValuesMove(t *testing.T) {
	c := newClock()
	d := newDevice(t, device.Options{Profile: xymd02(t), Seed: 7}, c.Now)
	first := number(t, d, "temperature")
	if first <= 0 {
		t.Errorf("it begins at %v", first)
	}
	lowest, highest, crossings, last := first, first, 0, first
	var covariance float64
	for range 600 {
		c.Advance(time.Second)
		v, h := number(t, d, "temperature"), number(t, d, "humidity")
		if math.Abs(v-last) > 1 {
			t.Fatalf("temperature jumps from %v to %v", last, v)
		}
		if h < 0 || h > 100 {
			t.Fatalf("humidity %v", h)
		}
		if (v < 0) != (last < 0) {
			crossings++
		}
		covariance += (v - 2) * (h - 55)
		lowest, highest, last = min(lowest, v), max(highest, v), v
	}
	if lowest > -5 || highest < 9 || crossings < 2 {
		t.Errorf("temperature from %v to %v, %d times through zero", lowest, highest, crossings)
	}
	if covariance >= 0 {
		t.Error("humidity moves with the temperature")
	}
}

func TestSeedAndTimeDecide(t *testing.T) {
	values := func(seed uint64) (all []string) {
		c := newClock()
		d := newDevice(t, device.Options{Profile: xymd02(t), Seed: seed}, c.Now)
		for range 100 {
			all = append(all, ask(t, d, "0400010002"))
			c.Advance(700 * time.Millisecond)
		}
		return all
	}
	one, again, other := values(1), values(1), values(2)
	different := 0
	for i := range one {
		if one[i] != again[i] {
			t.Fatalf("sample %d is %s and %s with the same seed", i, one[i], again[i])
		}
		if one[i] != other[i] {
			different++
		}
	}
	if different < 50 {
		t.Errorf("only %d of 100 samples differ with another seed", different)
	}
}

// The device measures once a second; in between, and however often it is asked,
// the value stands.
func TestValueStandsBetweenSamples(t *testing.T) {
	c := newClock()
	d := newDevice(t, device.Options{Profile: xymd02(t)}, c.Now)
	changes, last := 0, ask(t, d, "0400010002")
	for i := 1; i <= 1000; i++ {
		c.Advance(10 * time.Millisecond)
		if got := ask(t, d, "0400010002"); got != last {
			if i%100 != 0 {
				t.Fatalf("the value changed %d ms after a sample", i%100*10)
			}
			changes, last = changes+1, got
		}
	}
	if changes < 5 {
		t.Errorf("%d changes in ten seconds", changes)
	}
}

func TestPin(t *testing.T) {
	c := newClock()
	d := newDevice(t, device.Options{Profile: xymd02(t)}, c.Now)
	free := number(t, d, "temperature")
	if err := d.Pin("temperature", -20.5); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, d, "0400010001"); got != "0402FF33" {
		t.Errorf("pinned: %s", got)
	}
	c.Advance(time.Minute)
	if got := ask(t, d, "0400010001"); got != "0402FF33" {
		t.Errorf("a minute later: %s", got)
	}
	c.Advance(-time.Minute)
	if err := d.Unpin("temperature"); err != nil || number(t, d, "temperature") != free {
		t.Errorf("unpinned: %v, %v; want %v", number(t, d, "temperature"), err, free)
	}
	for name, v := range map[string]float64{"pressure": 1, "address": 3, "humidity": 101, "temperature": math.NaN()} {
		if err := d.Pin(name, v); err == nil {
			t.Errorf("%s was pinned at %v", name, v)
		}
	}
	if _, err := d.Value("pressure"); err == nil {
		t.Error("it has a value that it does not measure")
	}
}
