package config

import (
	"cmp"
	"strings"

	"modferry/configs/strictyaml"
)

// DefaultDiscovery is where Home Assistant looks for what announces itself, unless it
// is told otherwise.
const DefaultDiscovery = "homeassistant"

// HomeAssistant announces the readings to Home Assistant.
type HomeAssistant struct {
	Prefix string // of its discovery topics, and of its status topic
}

func homeAssistant(n strictyaml.Node) *HomeAssistant {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	p := topic(m.Get("prefix"))
	if strings.HasSuffix(p, "/") {
		m.Get("prefix").Problemf("a prefix has no / at the end, got %s", m.Get("prefix").Shown())
	}
	return &HomeAssistant{Prefix: cmp.Or(p, DefaultDiscovery)}
}
