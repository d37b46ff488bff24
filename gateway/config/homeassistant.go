package config

import (
	"cmp"
	"strings"

	"modferry/configs/strictyaml"
)

// defaultDiscovery is where Home Assistant looks for what announces itself, unless it
// is told otherwise.
const defaultDiscovery = "homeassistant"

// HomeAssistant announces the readings to Home Assistant.
type HomeAssistant struct {
	Prefix string // of its discovery topics, and of its status topic
}

func homeAssistant(n strictyaml.Node, own string) *HomeAssistant {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	p := topic(m.Get("prefix"))
	switch {
	case strings.HasSuffix(p, "/") || len(p) > maxPrefix:
		m.Get("prefix").Problemf("a prefix has at most %d characters and no / at the end, got %s", maxPrefix, m.Get("prefix").Shown())
	case p == own && p != "":
		m.Get("prefix").Problemf("%s is the prefix of the gateway itself: write that of Home Assistant, which is homeassistant unless it is set otherwise there", m.Get("prefix").Shown())
	}
	return &HomeAssistant{Prefix: cmp.Or(p, defaultDiscovery)}
}
