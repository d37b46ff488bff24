package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"modferry/gateway/config"
)

func TestEnvironment(t *testing.T) {
	c := parse(t, "gateway: w\nmqtt: {url: 'mqtt://${HOST}', username: u, password: '${SECRET}-$$-$x'}\nbuses: {b: {serial: /dev/x, baud: '${BAUD}'}}\n")
	if c.MQTT.URL != "mqtt://broker.example:1883" || c.MQTT.Password.Reveal() != "hunter2-$-$x" || c.Buses[0].Serial.Baud != 19200 {
		t.Errorf("%s %s %d", c.MQTT.URL, c.MQTT.Password.Reveal(), c.Buses[0].Serial.Baud)
	}
	t.Setenv("MODFERRY_TEST_NAME", "from-env")
	c, err := config.Parse("g.yaml", []byte("gateway: ${MODFERRY_TEST_NAME}\nbroker: {}\nbuses: {b: {tcp: h}}\n"), config.Options{})
	if err != nil || c.Gateway != "from-env" {
		t.Errorf("without Options.Env: %v", err)
	}
}

func TestPasswordFile(t *testing.T) {
	for content, want := range map[string]string{"a b\n": "a b", "a\r\n": "a", " a\n\n": " a\n", "a": "a"} {
		o := options()
		o.ReadFile = func(string) ([]byte, error) { return []byte(content), nil }
		c, err := config.Parse("g.yaml", []byte("gateway: w\nmqtt: {url: mqtt://h, username: u, password_file: p}\nbuses: {b: {tcp: h}}\n"), o)
		if err != nil || c.MQTT.Password.Reveal() != want {
			t.Errorf("%q: %v", content, err)
		}
	}
	o := options()
	o.ReadFile = func(string) ([]byte, error) { return []byte("\n"), nil }
	if _, err := config.Parse("g.yaml", []byte("gateway: w\nmqtt: {url: mqtt://h, username: u, password_file: p}\nbuses: {b: {tcp: h}}\n"), o); err == nil || !strings.Contains(err.Error(), `the file "p" is empty`) {
		t.Errorf("an empty file: %v", err)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	c := parse(t, "gateway: w\nmqtt: {url: mqtt://h, username: u, password: hunter2}\nbroker: {users: {a: {password: hunter2}}}\nbuses: {b: {tcp: h}}\n")
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v", *c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", *c), fmt.Sprintf("%#v", c.Broker.Users),
		fmt.Sprintf("%s %d %x %q", c.MQTT.Password, c.MQTT.Password, c.MQTT.Password, c.MQTT.Password),
		fmt.Sprintf("%+v", struct{ private config.MQTT }{c.MQTT}), string(asJSON),
	} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e74657232") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
	if c.MQTT.Password.Reveal() != "hunter2" {
		t.Error("the secret is lost")
	}
}
