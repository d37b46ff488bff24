package profile_test

import (
	"reflect"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/profile"
)

func TestParseDevice(t *testing.T) {
	p, err := profile.ParseDevice("x.yaml", []byte("tables: {holding: 100, coil: 8}\nserver_id: {id: 7, running: false, text: P1}\nunit: 4\nserial: {baud: 19200, parity: even}\nidentification: {vendor: a, product_code: b, revision: c, application: d, 0x81: e}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Unit != 4 || p.Title != "device" || p.Serial.Baud != 19200 || string(p.ServerID) != "\x07\x00P1" {
		t.Errorf("%+v", p)
	}
	if want := []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 100}, {Table: modbus.Coils, Quantity: 8}}; !reflect.DeepEqual(p.Tables, want) {
		t.Errorf("%v", p.Tables)
	}
	if want := map[byte]string{0: "a", 1: "b", 2: "c", 6: "d", 0x81: "e"}; !reflect.DeepEqual(p.Identification, want) {
		t.Errorf("%v", p.Identification)
	}
	for text, want := range map[string]string{
		"tables: {holding: 1}\nreadings: {}": "unknown key",
		"unit: 0":                            "from 1 to 247",
		"server_id: {text: " + strings.Repeat("x", 250) + "}":                                      "has room for 249",
		"identification: {vendor: a, product_code: b, revision: " + strings.Repeat("x", 245) + "}": "has room for 244",
	} {
		if _, err := profile.ParseDevice("x.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
