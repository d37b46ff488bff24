package configs_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

// nats runs a server with nats.conf and returns host:port of its MQTT.
func nats(t *testing.T) string {
	t.Helper()
	address := func() string { return fmt.Sprintf("127.0.0.1:%d", gatewaytest.FreePort(t)) }
	mqtt, monitor := address(), address()
	config := strings.NewReplacer(
		"127.0.0.1:4222", address(), "127.0.0.1:8222", monitor, "127.0.0.1:1883", mqtt, "/var/lib/nats", t.TempDir(),
	).Replace(text(t, "nats.conf", ""))
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	gatewaytest.StartProgram(t, gatewaytest.NATSServer(t), "-c", file)
	await(t, monitor)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		reply, err := client.Get("http://" + monitor + "/healthz")
		if err != nil {
			continue
		}
		reply.Body.Close()
		if reply.StatusCode == http.StatusOK {
			return mqtt
		}
	}
	t.Fatal("nats-server is not healthy")
	return ""
}

// TestNATS: the gateway and an app reach each other, and the app nobody else's topics.
func TestNATS(t *testing.T) {
	address := nats(t)
	connect := func(user string) *gatewaytest.Peer {
		return gatewaytest.Client(t, "tcp://"+address, gatewaytest.ClientOptions{User: user, Password: "secret", Version: 4})
	}
	gateway, ann := connect("workshop"), connect("ann")
	requests := gateway.Subscribe("modferry/workshop/bus/+/request/+", 2)
	replies := ann.Subscribe("modferry/+/bus/+/response/ann", 2)
	for qos := byte(0); qos <= 2; qos++ {
		ann.Publish(bus+"/request/ann", qos, false, "mine")
		if m := requests.Next(patience); string(m.Payload) != "mine" || m.QoS != qos {
			t.Errorf("QoS %d: the gateway got %+v", qos, m)
		}
		gateway.Publish(bus+"/response/ann", qos, false, "for me")
		if m := replies.Next(patience); string(m.Payload) != "for me" || m.QoS != qos {
			t.Errorf("QoS %d: the app got %+v", qos, m)
		}
	}
	gateway.Publish(device+"/temperature", 1, true, "21.5")
	if m := connect("ann").Subscribe("modferry/+/device/#", 1).Next(patience); string(m.Payload) != "21.5" || !m.Retained {
		t.Errorf("the app got %+v", m)
	}
	for _, filter := range []string{bus + "/response/bob", "modferry/+/bus/+/response/+", "modferry/#", "#", "modferry/workshop/audit"} {
		token := connect("ann").Client.Subscribe(filter, 1, nil).(*paho.SubscribeToken)
		if !token.WaitTimeout(patience) || token.Result()[filter] != 0x80 {
			t.Errorf("subscribing to %s, the app gets %v", filter, token.Result())
		}
	}
	for _, topic := range []string{bus + "/request/bob", bus + "/request", bus + "/response/ann", device + "/temperature"} {
		token := connect("ann").Client.Publish(topic, 1, false, "forbidden")
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Errorf("publishing to %s is not acknowledged", topic)
		}
	}
	requests.Quiet(200 * time.Millisecond)
	replies.Quiet(0)
	gatewayIsAtHome(t, address, ann)
	if _, err := gatewaytest.Connect(t, "tcp://"+address, gatewaytest.ClientOptions{Version: 4}); err == nil {
		t.Error("a client without a password is let in")
	}
}

// gatewayIsAtHome runs the gateway with its user's rights, and has it answer an app.
func gatewayIsAtHome(t *testing.T, address string, app *gatewaytest.Peer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	config := fmt.Sprintf("gateway: workshop\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\", username: workshop, password: secret}\nbuses: {rs485: {tcp: \"127.0.0.1:%d\"}}\n",
		t.TempDir(), address, gatewaytest.FreePort(t))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := gatewaytest.Start(t, "gateway", "-c", file)
	app.Subscribe("modferry/workshop/status", 1).Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
	replies := app.Subscribe(bus+"/response/ann", 1)
	app.Publish(bus+"/request/ann", 1, false, `{"id":1,"unit":1,"function":4,"address":1,"quantity":1}`)
	if m := replies.Next(patience); !strings.Contains(string(m.Payload), `"unavailable"`) {
		t.Errorf("the gateway answers %s", m.Payload)
	}
	p.Stop()
}

// TestNATSLimits: what the pages say of NATS is so: no MQTT 5, and a topic with white
// space ends the connection.
func TestNATSLimits(t *testing.T) {
	address := nats(t)
	for what, packets := range map[string]string{
		"MQTT 5":      "\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00",
		"white space": "\x10\x1f\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01x\x00\x08workshop\x00\x06secret" + "\x30\x16\x00\x13modferry/workshop/ ax",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, packets); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", what)
		}
		t.Logf("%s: the server answers % x and ends the connection", what, answer)
	}
}
