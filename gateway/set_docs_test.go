package gateway_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// The examples of the documentation give the results that it shows.
func TestSetExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/apps.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Set a value\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, yaml, _ := strings.Cut(section, "```yaml\n")
	yaml, _, _ = strings.Cut(yaml, "```")
	d := newPLC(t)
	g := run(t, parse(t, strings.NewReplacer("broker: {}", "broker: {mqtt: 127.0.0.1:0}", "serial: /dev/ttyUSB0", "tcp: "+d.addr).Replace(yaml)))
	<-g.Ready()
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	in := app.Subscribe("modferry/workshop/device/boiler/+/set/result", 1)
	rows := regexp.MustCompile("(?m)^\\| `(.*)` \\| `(.*)` \\| `(.*)` \\|$").FindAllStringSubmatch(section, -1)
	for _, row := range rows {
		app.Publish("modferry/workshop/device/boiler/"+row[1]+"/set", 1, false, row[2])
		if got := string(in.Next(patience).Payload); got != row[3] {
			t.Errorf("%s to %s gives\n%s, the documentation says\n%s", row[2], row[1], got, row[3])
		}
	}
	if len(rows) < 9 {
		t.Errorf("%d examples found", len(rows))
	}
}
