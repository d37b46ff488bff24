package device_test

import (
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/simulator/clock"
	"modferry/simulator/device"
)

// Whoever reads while others do, and while time goes by, sees what is pinned, and
// values that were given together at one moment.
func TestPinnedWhileOthersRead(t *testing.T) {
	p, err := profile.Parse("x.yaml", []byte(`
title: x
readings: {none: {coil: 999}}
registers:
  raw: {input: 0, type: int16, saw: {from: 0, to: 1000, period: 1h}}
  a: {input: 1, type: int16, saw: {from: 0, to: 1000, period: 1h}}
  b: {input: 2, type: int16, initial: -1}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := clock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := c.Speed(clock.MaxSpeed); err != nil { // a sample is due at each request
		t.Fatal(err)
	}
	d := newDevice(t, device.Options{Profile: p, Unit: 1}, c.Now)
	if err := d.PinTable(modbus.InputRegisters, 0, 0x7777); err != nil {
		t.Fatal(err)
	}
	give := func(n int) {
		v := register.Number(float64(n))
		if err := d.Assign(map[string]register.Value{"a": v, "b": v}); err != nil {
			t.Error(err)
		}
	}
	give(1)
	var reading sync.WaitGroup
	for range 4 {
		reading.Go(func() {
			for range 3000 {
				got := ask(t, d, "0400000003")
				if len(got) != 16 || got[4:8] != "7777" || got[8:12] != got[12:16] {
					t.Errorf("pinned at 7777, and two equal values: %s", got)
					return
				}
			}
		})
	}
	for n := range 3000 {
		give(n)
	}
	reading.Wait()
}
