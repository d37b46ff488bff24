package config_test

import (
	"strings"
	"testing"

	"modferry/gateway/config"
)

func TestReadingsKeepToTheLimits(t *testing.T) {
	text := `gateway: x
mqtt: {url: "mqtt://127.0.0.1"}
buses: {b: {tcp: "127.0.0.1:502"}}
devices:
  d:
    bus: b
    unit: 1
    limits: {registers: 1, bits: 8}
    readings:
      fits: {holding: 1, type: uint16}
      wide: {holding: 2, type: uint32}
      many: {coil: 0, count: 9}
`
	_, err := config.Parse("gateway.yaml", []byte(text), config.Options{})
	for _, want := range []string{"reading wide takes 2 registers, and one request may have 1", "reading many takes 9 bits, and one request may have 8"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say: %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "fits") {
		t.Error(err)
	}
}
