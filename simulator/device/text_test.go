package device_test

import (
	"strings"
	"testing"

	"modferry/modbus/profile"
	"modferry/simulator/device"
)

// A device has a serial number that can be read, and a clock that can be set.
func TestTextsAndTimes(t *testing.T) {
	p, err := profile.Parse("meter.yaml", []byte(`
title: Meter
readings:
  serial-number: {input: 0, type: string, count: 3}
  clock: {holding: 0, type: time-bcd}
registers:
  serial-number: {initial: AB-12}
  clock: {initial: "2026-11-24T12:37:18Z"}
`))
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, device.Options{Profile: p, Unit: 1}, nil)
	for _, step := range []struct{ request, want string }{
		{"0400000003", "0406 4142 2D31 3200"},
		{"0300000003", "0306 2611 2412 3718"},
		{"10 0000 0003 06 2612 3123 5959", "10 0000 0003"},
		{"10 0000 0003 06 2613 3123 5959", "9003"},
		{"0300000003", "0306 2612 3123 5959"},
	} {
		if got, want := ask(t, d, step.request), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", step.request, got, want)
		}
	}
}
