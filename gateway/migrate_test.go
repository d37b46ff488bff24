package gateway_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"modferry/modbus"
)

// The topics and texts of a cellular router's Modbus gateway, as the apps of one send them.
func TestBusThatTakesLines(t *testing.T) {
	t.Parallel()
	app := start(t, tcpGateway(newDevice(t), ", request: request, response: response, payload: line, allow: [{functions: [6]}]"))
	replies := app.Subscribe("response", 1)
	for _, c := range []struct{ line, want string }{
		{"1 65432 1 5 1 4 66 2", "65432 OK 65 66"},
		{"1 1 1 0 1 6 5 7", "1 OK"},
		{"1 2 1 0 1 16 5 1 7", "2 ERROR: "}, // the rules
		{"1 3 1 0 1 16 5 1", "3 ERROR: the values are missing"},
		{"0 4 0 192.0.2.1 502 5 1 3 1 1", "4 ERROR: format 0 names a host"},
	} {
		app.Publish("request", 1, false, c.line)
		if m := replies.Next(patience); !strings.HasPrefix(string(m.Payload), c.want) {
			t.Errorf("%q is answered %q, want %q", c.line, m.Payload, c.want)
		}
	}
}

// A transparent unit: one topic each way, and the bytes of the line on them.
func TestTransparentBus(t *testing.T) {
	t.Parallel()
	app := start(t, tcpGateway(newDevice(t), ", request: down, response: up, payload: binary"))
	replies := app.Subscribe("up", 1)
	frame := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(4, 65, 2)})
	app.Publish("down", 1, false, frame)
	if got := hex.EncodeToString(replies.Next(patience).Payload); !strings.HasPrefix(got, "01040400410042") {
		t.Errorf("answered %s", got)
	}
}
