package homeassistant

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"modferry/gateway/config"
	"modferry/gateway/message"
)

// StatusTopic is where Home Assistant says online when it starts.
func StatusTopic(c *config.Config) string { return c.HomeAssistant.Prefix + "/status" }

// Filter matches every topic that the gateway may ever have announced something on.
func Filter(c *config.Config) string {
	return c.HomeAssistant.Prefix + "/+/" + node(c) + "/+/config"
}

// IsOwn reports whether a message on a topic of [Filter] was announced by this gateway,
// and not by another one of the same name.
func IsOwn(c *config.Config, topic string, payload []byte) bool {
	if !message.Matches(Filter(c), topic) {
		return false
	}
	var e struct {
		StateTopic   string         `json:"state_topic"`
		Availability []availability `json:"availability"`
		Origin       origin         `json:"origin"`
	}
	status := topics(c).Status()
	return json.Unmarshal(payload, &e) == nil && e.Origin.Name == program &&
		(e.StateTopic == status || slices.ContainsFunc(e.Availability, func(a availability) bool { return a.Topic == status }))
}

func topics(c *config.Config) message.Topics { return message.Topics{Prefix: c.Prefix} }

// node is the gateway in topics and ids: its name, and for one with a prefix of its own
// something that no other gateway of this name has.
func node(c *config.Config) string {
	if c.Prefix == "modferry/"+c.Gateway {
		return c.Gateway
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.Prefix)) // never fails
	return fmt.Sprintf("%s-%08x", c.Gateway, h.Sum32())
}

// object is the reading in topics, of letters, digits, _ and - alone. No two readings
// have the same: in the device's name each _ is doubled, and _- follows it.
func object(device, reading string) string {
	return strings.ReplaceAll(device, "_", "__") + "_-" + reading
}

func configTopic(c *config.Config, component, object string) string {
	return c.HomeAssistant.Prefix + "/" + component + "/" + node(c) + "/" + object + "/config"
}

// uniqueID joins names, which have no dot.
func uniqueID(names ...string) string { return program + "." + strings.Join(names, ".") }

// entityID is the second part of an entity id: small letters, digits and _.
func entityID(names ...string) string {
	return strings.ToLower(strings.ReplaceAll(strings.Join(names, "_"), "-", "_"))
}
