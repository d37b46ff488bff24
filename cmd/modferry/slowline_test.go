package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// A meter at 2400 baud is read with the default timeout, although its reply alone takes
// the line for about as long as that.
func TestSlowSerialLine(t *testing.T) {
	pty := filepath.Join(t.TempDir(), "ttyMODBUS")
	gatewaytest.Start(t, "simulator", "--profile", "sdm120", "--pty", pty, "--pace", "--json").Line("{")
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	voltage := app.Subscribe("modferry/shed/device/meter/voltage", 1)
	gatewayAt(t, app, fmt.Sprintf(`
gateway: shed
mqtt: {url: "mqtt://%s"}
buses: {rs485: {serial: %q, baud: 2400}}
devices: {meter: {bus: rs485, unit: 1, profile: sdm120, every: 2s}}
`, broker.Addr, pty))
	if m := voltage.Next(patience); !strings.Contains(string(m.Payload), `"quality":"good"`) {
		t.Errorf("the voltage is %s", m.Payload)
	}
	replies := app.Subscribe("modferry/shed/bus/rs485/response/phone", 2)
	app.Publish("modferry/shed/bus/rs485/request/phone", 2, false, `{"id":1,"unit":1,"function":4,"address":0,"quantity":32}`)
	if m := replies.Next(patience); !strings.Contains(string(m.Payload), `"ok":true`) {
		t.Errorf("a request for 32 registers gets %s", m.Payload)
	}
}
