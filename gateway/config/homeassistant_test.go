package config_test

import (
	"errors"
	"reflect"
	"testing"

	"modferry/configs/strictyaml"
	"modferry/gateway/config"
)

func TestHomeAssistant(t *testing.T) {
	for keys, want := range map[string]*config.HomeAssistant{
		"":                                      nil,
		"homeassistant: {}":                     {Prefix: "homeassistant"},
		"homeassistant: {prefix: site/ha}":      {Prefix: "site/ha"},
		"homeassistant: {prefix: ha_discovery}": {Prefix: "ha_discovery"},
	} {
		if got := parse(t, minimal("tcp: h", keys)).HomeAssistant; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", keys, got, want)
		}
	}
}

func TestSparkplug(t *testing.T) {
	for keys, want := range map[string]*config.Sparkplug{
		"":                         nil,
		"sparkplug: {group: Hall}": {Group: "Hall", Node: "w", ClientID: "modferry-w-sparkplug"},
		"sparkplug: {group: Hall.1, node: ü, client_id: edge}": {Group: "Hall.1", Node: "ü", ClientID: "edge"},
	} {
		if got := parse(t, minimal("tcp: h", keys)).Sparkplug; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", keys, got, want)
		}
	}
}

func TestMistakesOfAnnouncements(t *testing.T) {
	for _, keys := range []string{
		"homeassistant: {prefix: a/}", "homeassistant: {prefix: modferry/w}", "homeassistant: {prefix: 'a b'}", "homeassistant: {prefix: 'a/#'}", "homeassistant: {perfix: a}",
		"sparkplug: {}", "sparkplug: {group: a/b}", "sparkplug: {group: STATE}", "sparkplug: {group: 'a b'}", "sparkplug: {group: a, node: '+'}",
		"sparkplug: {group: a, client_id: modferry-w}", "sparkplug: {group: a, primary: x}",
	} {
		_, err := config.Parse("g.yaml", []byte(minimal("tcp: h", keys)), config.Options{})
		var problems strictyaml.Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s: %v, want one problem", keys, err)
		}
	}
}
