package device_test

import (
	"strings"
	"testing"
	"time"

	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

// A baud rate that is written and read back as a code, in one register or in two.
func TestCodesThatReadBackAsCodes(t *testing.T) {
	d := newDevice(t, device.Options{Profile: simulatortest.Parsed(t, `
functions: [3, 6, 16]
registers:
  address: {holding: 0, type: float32, initial: 1, min: 1, max: 247, is: unit, applies: restart}
  baud: {holding: 2, type: float32, initial: 0, codes: {0: 2400, 2: 9600}, reads: code, is: baud, applies: restart}
  other: {holding: 4, type: uint16, initial: 1, codes: {0: 2400, 1: 4800}, reads: code}
`), Unit: 5}, nil)
	if d.Unit() != 5 || d.Baud() != 2400 {
		t.Errorf("a new device has unit %d and %d baud", d.Unit(), d.Baud())
	}
	for _, step := range []struct{ name, request, want string }{
		{"its address and speed", "0300000004", "0308 40A00000 00000000"},
		{"code 2", "10 0002 0002 04 40000000", "10 0002 0002"},
		{"reads back as 2", "0300020002", "0304 40000000"},
		{"its meaning", "10 0002 0002 04 45160000", "10 0002 0002"}, // 2400
		{"reads back as 0", "0300020002", "0304 00000000"},
		{"no code", "10 0002 0002 04 3F800000", "9003"},
		{"code 2 again", "10 0002 0002 04 40000000", "10 0002 0002"},
		{"half an address", "10 0000 0002 04 40200000", "9003"}, // 2.5
		{"another address", "10 0000 0002 04 41000000", "10 0000 0002"},
		{"the meaning in one register", "0600040960", "06 0004 0960"},
		{"reads back as a code", "0300040001", "0302 0000"},
	} {
		if got, want := ask(t, d, step.request), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Fatalf("%s: %s, want %s", step.name, got, want)
		}
	}
	if d.Unit() != 5 || d.Baud() != 2400 {
		t.Errorf("before the power cycle it has unit %d and %d baud", d.Unit(), d.Baud())
	}
	d.PowerCycle()
	if d.Unit() != 8 || d.Baud() != 9600 {
		t.Errorf("after the power cycle it has unit %d and %d baud", d.Unit(), d.Baud())
	}
}

// A meter counts up, and never down.
func TestRegisterThatRises(t *testing.T) {
	c := newClock()
	d := newDevice(t, device.Options{Profile: simulatortest.Parsed(t, `
registers:
  energy: {input: 0, type: uint32, order: little-swap, initial: 1000, rises: 360}
`)}, c.Now)
	for seconds, want := range []string{"0404 03E8 0000", "0404 03E8 0000", "0404 03E8 0000"} {
		if got := ask(t, d, "0400000002"); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("after %d s: %s, want %s", seconds, got, want)
		}
		c.Advance(time.Second)
	}
	c.Advance(time.Hour)
	if got := number(t, d, "energy"); got != 1360 {
		t.Errorf("after an hour and three seconds: %v", got)
	}
	c.Advance(250 * time.Hour)
	if got := ask(t, d, "0400000002"); got != "0404"+"64E0"+"0001" { // 1000 + 360 x 251 = 91,360
		t.Errorf("after 251 hours: %s, %v", got, number(t, d, "energy"))
	}
	if err := d.Pin("energy", 7); err != nil || number(t, d, "energy") != 7 {
		t.Errorf("pinned at 7: %v, %v", number(t, d, "energy"), err)
	}
}

// Some devices answer less at once than the protocol allows.
func TestReadLimitsOfADevice(t *testing.T) {
	d := newDevice(t, device.Options{Profile: simulatortest.Parsed(t, `
limits: {registers: 5, bits: 8}
functions: [1, 3]
registers:
  block: {holding: 0, type: uint16, count: 20}
  inputs: {input: 0, type: uint16, count: 20}
  relays: {coil: 0, count: 16}
`)}, nil)
	for request, want := range map[string]string{
		"0300000005": "030A00000000000000000000", "0300000006": "8303", "0300140006": "8302",
		"0100000008": "010100", "0100000009": "8103", "0400000006": "8401",
	} {
		if got := ask(t, d, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

func TestSet(t *testing.T) {
	d := newDevice(t, device.Options{Profile: simulatortest.Parsed(t, `
registers:
  door: {discrete: 3}
  outputs: {coil: 0, count: 3}
  alarm: {holding: 1, type: int16, scale: 0.1, read_only: true}
  moving: {input: 0, type: uint16, wave: {mean: 5}}
`)}, nil)
	for name, v := range map[string]float64{"door": 1, "outputs": 1, "alarm": -2.5} {
		if err := d.Set(name, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for request, want := range map[string]string{"0200030001": "020101", "0100000003": "010107", "0300010001": "0302FFE7"} {
		if got := ask(t, d, request); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	for name, v := range map[string]float64{"moving": 1, "nothing": 1, "door": 2, "alarm": 4000} {
		if err := d.Set(name, v); err == nil {
			t.Errorf("%s was set to %v", name, v)
		}
	}
}
