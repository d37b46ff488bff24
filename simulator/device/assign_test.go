package device_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

// Contents that are pinned stay over writes and measuring.
func TestPinTable(t *testing.T) {
	d := newDevice(t, device.Options{Profile: xymd02(t), Unit: 1}, nil)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.PinTable(modbus.InputRegisters, 1, 0x8000, 0xFFFF))
	must(d.PinTable(modbus.HoldingRegisters, 0x103, 7))
	for range 2 {
		if got := ask(t, d, "0400010002"); got != "0404"+"8000FFFF" {
			t.Errorf("input registers: %s", got)
		}
		if got := ask(t, d, "0601030005") + ask(t, d, "0301030001"); got != "0601030005"+"03020007" {
			t.Errorf("holding register: %s", got)
		}
	}
	if n := d.UnpinTable(modbus.InputRegisters, 0, 100); n != 2 {
		t.Errorf("%d were pinned", n)
	}
	if got := ask(t, d, "0400010002"); got == "04048000FFFF" {
		t.Errorf("unpinned: %s", got)
	}
	must(d.WriteTable(modbus.HoldingRegisters, 0x103, 9)) // stays pinned, at another value
	if values, ok := d.ReadTable(modbus.HoldingRegisters, 0x103, 2); !ok || values[0] != 9 || values[1] != 0 {
		t.Errorf("%v, %v", values, ok)
	}
	d.UnpinTable(modbus.HoldingRegisters, 0x103, 1)
	if got := ask(t, d, "0601030005") + ask(t, d, "0301030001"); got != "0601030005"+"03020005" {
		t.Errorf("unpinned holding register: %s", got)
	}
	for _, err := range []error{
		d.WriteTable(modbus.InputRegisters, 2, 1, 1), d.PinTable(modbus.InputRegisters, 65535, 1, 1),
		d.WriteTable(modbus.Coils, 0, 1), d.WriteTable(modbus.HoldingRegisters, 0x103),
	} {
		if err == nil {
			t.Error("what is not there was written")
		}
	}
	if _, ok := d.ReadTable(modbus.InputRegisters, 65535, 2); ok {
		t.Error("beyond the last address")
	}
}

func TestAssign(t *testing.T) {
	d := newDevice(t, device.Options{Profile: simulatortest.Parsed(t, `
registers:
  temperature: {input: 0, type: int16, scale: 0.1, min: -40, max: 80, no_data: 0x8000, wave: {mean: 20, amplitude: 5}}
  setpoint: {holding: 0, type: int16, scale: 0.5}
  relays: {coil: 0, count: 3}
  mode: {holding: 1, type: uint16}
  name: {holding: 2, type: string, count: 2}
`), Unit: 1}, nil)
	values := func(text string) map[string]register.Value {
		m := map[string]register.Value{}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	if err := d.Assign(values(`{"temperature": -3.5, "setpoint": 10.5, "relays": [true, false, true], "name": "abc"}`)); err != nil {
		t.Fatal(err)
	}
	before := ask(t, d, "0400000001") + ask(t, d, "0300000004") + ask(t, d, "0100000003")
	if want := "0402FFDD" + "0308" + "0015" + "0000" + "61626300" + "010105"; before != want {
		t.Errorf("%s, want %s", before, want)
	}
	for text, want := range map[string][]string{
		`{"temperature": 1, "setpoint": 1, "none": 1}`:              {"none: profile"},
		`{"temperature": 81, "relays": [true], "mode": 3}`:          {"temperature cannot be 81", "relays"},
		`{"temperature": "warm", "mode": 70000, "relays": [1,1,1]}`: {`temperature: "warm" where int16 needs a number`, "mode"},
		`{"mode": null}`: {"mode"},
	} {
		err := d.Assign(values(text))
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %s", text, err, w)
			}
		}
	}
	if after := ask(t, d, "0400000001") + ask(t, d, "0300000004") + ask(t, d, "0100000003"); after != before {
		t.Errorf("a mistake changed %s to %s", before, after)
	}
	for _, text := range []string{`{"temperature": null, "relays": true}`, `{"a": false}`} { // a: a reading, the first relay
		if err := d.Assign(values(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(t, d, "0400000001") + ask(t, d, "0100000003") + ask(t, d, "050000FF00") + ask(t, d, "0100000003"); got != "04028000"+"010106"+"050000FF00"+"010106" {
		t.Error(got)
	}
	for _, v := range d.Values() {
		if pinned := v.Name == "temperature" || v.Name == "relays" || v.Name == "a"; v.Pinned != pinned || v.Moves != (v.Name == "temperature") {
			t.Errorf("%+v", v)
		}
	}
	for _, name := range []string{"temperature", "a", "setpoint"} {
		if err := d.Release(name); err != nil {
			t.Error(err)
		}
	}
	if v := number(t, d, "temperature"); math.Abs(v-20) > 6 || d.Release("none") == nil {
		t.Errorf("the temperature is %v", v)
	}
	if got := ask(t, d, "050000FF00") + ask(t, d, "0100000003"); got != "050000FF00"+"010107" {
		t.Error(got)
	}
}
