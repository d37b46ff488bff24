package gateway

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/gateway/config"
)

// What the console is told of a configuration is what an app needs to use it.
func TestViewOfAConfiguration(t *testing.T) {
	c, err := config.Parse("g.yaml", []byte(`
gateway: shed
mqtt: {url: mqtts://broker.example, username: shed, password: hunter2}
http: {listen: 127.0.0.1:0}
buses:
  line: {serial: /dev/ttyUSB0, timeout: 300ms, allow: [{clients: [panel], units: [1-8], functions: [6], addresses: [0x0101-0x0104]}]}
  old: {tcp: 10.0.0.5:502, request: abc, response: abc, payload: hex}
devices:
  boiler:
    bus: line
    unit: 3
    every: 2s
    readings:
      setpoint: {holding: 10, type: int16, scale: 0.1, unit: "°C", set: {min: -10, max: 30, step: 0.1}}
      mode: {holding: 12, type: uint16, enum: {0: "off", 5: heat}, set: {}}
      relays: {coil: 0, count: 3, set: {}}
      label: {holding: 30, type: string, count: 8, set: {}}
      double: {compute: setpoint * 2}
`), config.Options{Profiles: configs.Files})
	if err != nil {
		t.Fatal(err)
	}
	c.DataDir = t.TempDir()
	g, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.unlisten()
	text, err := json.Marshal(g.view())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"prefix":"modferry/shed","broker":{"embedded":false,"users":false,"url":"mqtts://broker.example:8883","websocket":""}`,
		`"line":"serial /dev/ttyUSB0","request":"modferry/shed/bus/line/request","response":"modferry/shed/bus/line/response"`,
		`"endings":true,"shared_response":false,"payload":"auto","broadcast":false,"timeout_ms":300`,
		`"allow":[{"clients":["panel"],"units":[[1,8]],"functions":[6],"addresses":[[257,260]],"values":null}]`,
		`"line":"tcp 10.0.0.5:502","request":"abc","response":"abc","error":"modferry/shed/bus/old/error"`,
		`"endings":false,"shared_response":true,"payload":"hex"`,
		`"function":3,"address":10,"quantity":1,"set":{"topic":"modferry/shed/device/boiler/setpoint/set","result":"modferry/shed/device/boiler/setpoint/set/result","min":-10,"max":30,"step":0.1`,
		`"names":["off","heat"],"flags":false,"count":1`,
		`"function":1,"address":0,"quantity":3`,
		`"name":"double","title":"","unit":"","class":"","type":"","topic":"modferry/shed/device/boiler/double","every_ms":2000,"function":0`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "hunter2") {
		t.Error("a password is shown")
	}
}
