package message_test

import (
	"reflect"
	"strings"
	"testing"

	"modferry/gateway/message"
)

var topics = message.Topics{Prefix: "modferry/workshop"}

func TestTopics(t *testing.T) {
	bus, device := topics.Bus("rs485", "", ""), topics.Device("cold-room")
	for got, want := range map[string]string{
		topics.Status():               "modferry/workshop/status",
		topics.History():              "modferry/workshop/history",
		topics.Audit():                "modferry/workshop/audit",
		bus.Request(""):               "modferry/workshop/bus/rs485/request",
		bus.Request("panel"):          "modferry/workshop/bus/rs485/request/panel",
		bus.Response(""):              "modferry/workshop/bus/rs485/response",
		bus.Response("panel"):         "modferry/workshop/bus/rs485/response/panel",
		bus.Error(""):                 "modferry/workshop/bus/rs485/error",
		bus.Error("panel"):            "modferry/workshop/bus/rs485/error/panel",
		bus.Status():                  "modferry/workshop/bus/rs485/status",
		device.Group():                "modferry/workshop/device/cold-room",
		device.Status():               "modferry/workshop/device/cold-room/status",
		device.Reading("temperature"): "modferry/workshop/device/cold-room/temperature",
		device.Set("setpoint"):        "modferry/workshop/device/cold-room/setpoint/set",
		device.SetResult("setpoint"):  "modferry/workshop/device/cold-room/setpoint/set/result",
		topics.SetFilter():            "modferry/workshop/device/+/+/set",
	} {
		if got != want {
			t.Errorf("topic %q, want %q", got, want)
		}
	}
}

func TestReplacedTopics(t *testing.T) {
	both := topics.Bus("b", "abc", "abc")
	if both.Request("x") != "abc" || both.Response("x") != "abc" || both.Error("") != "modferry/workshop/bus/b/error" {
		t.Errorf("replaced: %s %s %s", both.Request("x"), both.Response("x"), both.Error(""))
	}
	if got := both.Filters(); !reflect.DeepEqual(got, []string{"abc"}) {
		t.Errorf("replaced: subscribes %v", got)
	}
	if client, ok := both.Client("abc"); client != "" || !ok {
		t.Errorf("replaced: client %q, %v", client, ok)
	}
	for _, other := range []string{"abc/panel", "modferry/workshop/bus/b/request", "abcd"} {
		if client, ok := both.Client(other); ok {
			t.Errorf("replaced: %s is of client %q", other, client)
		}
	}
	response := topics.Bus("b", "", "answers")
	if response.Response("x") != "answers" || response.Request("x") != "modferry/workshop/bus/b/request/x" {
		t.Errorf("response replaced: %s %s", response.Response("x"), response.Request("x"))
	}
}

func TestClientOfARequestTopic(t *testing.T) {
	bus := topics.Bus("b", "", "")
	if got := bus.Filters(); !reflect.DeepEqual(got, []string{"modferry/workshop/bus/b/request", "modferry/workshop/bus/b/request/+"}) {
		t.Errorf("subscribes %v", got)
	}
	for _, client := range []string{"", "panel", "A-1_z", strings.Repeat("x", 64)} {
		if got, ok := bus.Client(bus.Request(client)); !ok || got != client {
			t.Errorf("client %q is taken for %q, %v", client, got, ok)
		}
	}
	base := "modferry/workshop/bus/b/request"
	for _, topic := range []string{
		base + "/", base + "s", base + "/a/b", base + "/a b", base + "/+", base + "/" + strings.Repeat("x", 65), base + "/ä",
		"modferry/workshop/bus/b/response", "modferry/workshop/bus/bb/request", "other/bus/b/request", "",
	} {
		if client, ok := bus.Client(topic); ok {
			t.Errorf("%q is a request of client %q", topic, client)
		}
	}
}

func TestParseSet(t *testing.T) {
	device, reading, ok := topics.ParseSet(topics.Device("cold-room").Set("setpoint"))
	if device != "cold-room" || reading != "setpoint" || !ok {
		t.Errorf("ParseSet = %q, %q, %v", device, reading, ok)
	}
	for _, topic := range []string{
		"modferry/workshop/device/d/r/set/result", "modferry/workshop/device/d/r", "modferry/workshop/device/d//set", "modferry/workshop/device//r/set",
		"modferry/workshop/device/d/a b/set", "modferry/other/device/d/r/set", "modferry/workshop/device/d/r/get", "",
	} {
		if device, reading, ok := topics.ParseSet(topic); ok {
			t.Errorf("%q sets %q of %q", topic, reading, device)
		}
	}
}

func TestValidNamesAndTopics(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "A-z_09": true, strings.Repeat("n", 64): true,
		"": false, strings.Repeat("n", 65): false, "a b": false, "a/b": false, "+": false, "ä": false, "a.b": false,
	} {
		if message.ValidName(name) != want {
			t.Errorf("ValidName(%q) = %v", name, !want)
		}
	}
	for topic, want := range map[string]bool{
		"abc": true, "a/b/c": true, "温度/1": true, "/a": true,
		"": false, "a b": false, "a/+": false, "#": false, "$SYS/x": false, "a\x00": false, "\xff": false, strings.Repeat("x", 1025): false,
		"a\u0085": false, "a\u00a0b": false, "\ufffe": false, "\U0001ffff": false, "\ufdd0": false, "\u007f": false, strings.Repeat("/", 119): true, strings.Repeat("/", 120): false,
	} {
		if message.ValidTopic(topic) != want {
			t.Errorf("ValidTopic(%q) = %v", topic, !want)
		}
	}
}
