package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// mqttxConnection is what the import of MQTTX asks for, by the names of its exports.
type mqttxConnection struct {
	ID, ClientID, Name, Host, Path, Protocol, CertType string
	Port                                               int
	SSL                                                bool
	Messages                                           []mqttxMessage
	Subscriptions                                      []mqttxSubscription
}

type mqttxMessage struct {
	ID, Topic, Payload string
	QoS                byte
	Out, Retain        bool
}

type mqttxSubscription struct {
	ID, Topic string
	QoS       byte
}

// The file has what MQTTX insists on, and what it sends is answered where it listens.
func TestMQTTX(t *testing.T) {
	text, err := os.ReadFile("mqttx/modferry.json")
	if err != nil {
		t.Fatal(err)
	}
	var keys []map[string]json.RawMessage
	var connections []mqttxConnection
	if json.Unmarshal(text, &keys) != nil || json.Unmarshal(text, &connections) != nil || len(connections) != 2 {
		t.Fatalf("%d connections", len(connections))
	}
	at := demo(t)
	ids := map[string]bool{}
	for i, c := range connections {
		checkMQTTX(t, keys[i], c, ids)
		address := map[string]string{"mqtt": at.MQTT, "ws": at.WebSocket}[c.Protocol]
		host, port := hostPort(t, address)
		if want := map[string]int{"mqtt": 1883, "ws": 8080}[c.Protocol]; c.Host != host || c.Port != want {
			t.Errorf("%s is at %s:%d, want %s:%d", c.Name, c.Host, c.Port, host, want)
		}
		url := fmt.Sprintf("%s://%s:%s%s", strings.Replace(c.Protocol, "mqtt", "tcp", 1), host, port, c.Path)
		peer := gatewaytest.Client(t, url, gatewaytest.ClientOptions{ID: c.ClientID})
		boxes := map[string]*gatewaytest.Inbox{}
		for _, s := range c.Subscriptions {
			boxes[s.Topic] = peer.Subscribe(s.Topic, s.QoS)
		}
		boxes["modferry/demo/status"].Next(patience)
		boxes["modferry/demo/device/#"].Next(patience)
		for _, m := range c.Messages {
			peer.Publish(m.Topic, m.QoS, m.Retain, m.Payload)
			reply := boxes[strings.Replace(m.Topic, "/request/", "/response/", 1)].Next(patience)
			if !strings.Contains(strings.ReplaceAll(string(reply.Payload), " ", ""), "010404") {
				t.Errorf("%s is answered %s", m.Payload, reply.Payload)
			}
		}
	}
}

// checkMQTTX checks the rules of the import, in older and newer versions.
func checkMQTTX(t *testing.T, keys map[string]json.RawMessage, c mqttxConnection, ids map[string]bool) {
	t.Helper()
	for _, key := range []string{
		"id", "clientId", "name", "host", "port", "protocol", "path", "clean", "keepalive", "connectTimeout", "reconnect", "username", "password",
		"ssl", "certType", "ca", "cert", "key", "mqttVersion", "unreadMessageCount", "messages", "subscriptions", "createAt", "updateAt",
	} {
		if _, ok := keys[key]; !ok {
			t.Errorf("%s has no %s", c.Name, key)
		}
	}
	for _, key := range []string{"parent", "children", "connections"} {
		if _, ok := keys[key]; ok {
			t.Errorf("%s has %s, which the import refuses", c.Name, key)
		}
	}
	all := []string{c.ID, "client " + c.ClientID}
	for _, m := range c.Messages {
		all = append(all, m.ID)
	}
	for _, s := range c.Subscriptions {
		all = append(all, s.ID)
	}
	for _, id := range all {
		if id == "" || ids[id] {
			t.Errorf("%s: id %q is missing or there twice", c.Name, id)
		}
		ids[id] = true
	}
	if c.SSL && c.CertType == "" {
		t.Errorf("%s has ssl without certType", c.Name)
	}
}
