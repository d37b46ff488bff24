package broker

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// outcome is what testdata/apps.cjs prints.
type outcome struct {
	Topic, Payload  string
	Same            bool // as was sent, to the last byte
	Frames, Packets int  // sent
	Error, Reason   string
	Code            int
}

// app runs a client library against the broker.
func app(t *testing.T, library, url, user, password string, version ...string) (o outcome) {
	t.Helper()
	node := gatewaytest.Need(t, "node")
	if _, err := os.Stat("../../examples/node/node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/node/package.json names")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*soon)
	defer cancel()
	c := exec.CommandContext(ctx, node, append([]string{"testdata/apps.cjs", library, url, user, password}, version...)...)
	out, err := c.CombinedOutput()
	if err != nil || json.Unmarshal(out, &o) != nil {
		t.Fatalf("%s: %v\n%s", library, err, out)
	}
	return o
}

// What apps give as user name and password where there are none is accepted: nothing
// at all, and empty texts. MQTT.js 4.1.0 spreads its packets over WebSocket messages;
// paho asks for subprotocol mqttv3.1 when it speaks MQTT 3.1.
func TestLibrariesOfApps(t *testing.T) {
	b := run(t, Options{})
	for _, c := range []struct{ library, version string }{{"mqttjs-4.1.0", ""}, {"paho-1.1.0", "4"}, {"paho-1.1.0", "3"}} {
		o := app(t, c.library, b.ws, "", "", c.version)
		if o.Topic != "abc" || o.Payload != "010400010002200bff" || !o.Same {
			t.Errorf("%+v: got %+v", c, o)
		}
		if c.library == "mqttjs-4.1.0" && o.Frames <= o.Packets {
			t.Errorf("it sent %d packets in %d messages: is this still the library that splits them?", o.Packets, o.Frames)
		}
	}
}

// A broker with users refuses the empty ones, and says so.
func TestLibrariesOfAppsWithoutTheirPassword(t *testing.T) {
	b := run(t, Options{Users: map[string]User{"ann": {Password: "x", Topics: []string{"#"}}}})
	for library, says := range map[string]string{"mqttjs-4.1.0": "Not authorized", "paho-1.1.0": "not authorized"} {
		if o := app(t, library, b.ws, "", ""); o.Topic != "" || !strings.Contains(o.Error, says) {
			t.Errorf("%s: got %+v, want %q", library, o, says)
		}
		if o := app(t, library, b.ws, "ann", "x"); o.Topic != "abc" {
			t.Errorf("%s with its password: got %+v", library, o)
		}
	}
}

// Who sends MQTT as text, or no MQTT at all, reads why the connection ended.
func TestTextFromAnotherLibrary(t *testing.T) {
	b := run(t, Options{})
	for _, protocol := range []string{"mqtt", "mqttv3.1"} {
		if o := app(t, "text", b.ws, "", "", protocol); o.Code != 1003 || o.Reason != textReason {
			t.Errorf("%s: got %+v, want 1003 and %q", protocol, o, textReason)
		}
	}
}
