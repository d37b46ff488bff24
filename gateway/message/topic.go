package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidName reports whether s can name a gateway, bus, device, reading or client: [A-Za-z0-9_-]{1,64}.
func ValidName(s string) bool {
	if len(s) < 1 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// MaxLevels is how many levels a topic may have. Brokers refuse more: mosquitto above
// 200, the embedded one above 128; what follows a prefix has a few of its own.
const MaxLevels = 120

// ValidTopic reports whether s can be published to on every broker: no wildcards,
// no white space or control characters, no '$' in front, at most 1024 bytes and
// [MaxLevels] levels.
func ValidTopic(s string) bool {
	if s == "" || len(s) > 1024 || s[0] == '$' || strings.Count(s, "/") >= MaxLevels {
		return false
	}
	return ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '+' || r == '#' || unicode.IsSpace(r) })
}

// ValidString reports whether brokers take s as a string: UTF-8 without control
// characters and noncharacters, for which they may end the connection
// [MQTT 3.1.1, 1.5.3; MQTT 5, 1.5.4].
func ValidString(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF || r == utf8.RuneError
	})
}

// What the status topics of gateways and devices say.
const (
	Online  = "online"
	Offline = "offline"
)

// Topics are the topics of one gateway. Prefix is modferry/<gateway> unless configured.
type Topics struct{ Prefix string }

// Status is the gateway's own status topic, also that of its will.
func (t Topics) Status() string { return t.Prefix + "/status" }

// History is where readings go that were taken while the broker was away.
func (t Topics) History() string { return t.Prefix + "/history" }

// Audit is where every executed or refused write is told.
func (t Topics) Audit() string { return t.Prefix + "/audit" }

// Bus returns the topics of a bus. request and response replace its request and
// response topic, "" keeps them. A replaced topic has no client endings: one for
// requests makes every client "", one for responses answers all clients there.
func (t Topics) Bus(bus, request, response string) Bus {
	return Bus{base: t.Prefix + "/bus/" + bus, request: request, response: response}
}

// Device returns the topics of a device.
func (t Topics) Device(device string) Device {
	return Device{base: t.Prefix + "/device/" + device}
}

// IsOwn reports whether the contract gives a meaning to a topic, or to topics below it.
func (t Topics) IsOwn(topic string) bool {
	rest, ok := strings.CutPrefix(topic, t.Prefix+"/")
	switch first, _, _ := strings.Cut(rest, "/"); first {
	case "status", "history", "audit", "bus", "device":
		return ok
	}
	return false
}

// SetFilter matches the set topics of all devices.
func (t Topics) SetFilter() string { return t.Prefix + "/device/+/+/set" }

// ParseSet returns the device and reading of a set topic.
func (t Topics) ParseSet(topic string) (device, reading string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.Prefix+"/device/")
	if !ok {
		return "", "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[2] != "set" || !ValidName(parts[0]) || !ValidName(parts[1]) {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// Bus is the topics of one bus. Clients tell themselves apart by the last
// level, so that several apps never see each other's replies; "" is the client
// that uses none.
type Bus struct{ base, request, response string }

// Request is where a client's requests come from.
func (b Bus) Request(client string) string { return topic(b.base+"/request", b.request, client) }

// Response is where a client's replies go.
func (b Bus) Response(client string) string {
	return topic(b.base+"/response", b.response, client)
}

// Error is where a client is told of payloads that are no request. It is never replaced.
func (b Bus) Error(client string) string { return topic(b.base+"/error", "", client) }

// Status is the bus's status topic.
func (b Bus) Status() string { return b.base + "/status" }

// Filters match the request topics of all clients.
func (b Bus) Filters() []string {
	if b.request != "" {
		return []string{b.request}
	}
	return []string{b.base + "/request", b.base + "/request/+"}
}

// Client returns the client that a request topic belongs to, "" = none. ok is false
// for other topics and for endings that are no name.
func (b Bus) Client(topic string) (client string, ok bool) {
	if b.request != "" {
		return "", topic == b.request
	}
	rest, ok := strings.CutPrefix(topic, b.base+"/request")
	if !ok || rest == "" {
		return "", ok
	}
	client, ok = strings.CutPrefix(rest, "/")
	if !ok || !ValidName(client) {
		return "", false
	}
	return client, true
}

func topic(standard, replaced, client string) string {
	switch {
	case replaced != "":
		return replaced
	case client == "":
		return standard
	}
	return standard + "/" + client
}

// Device is the topics of one device.
type Device struct{ base string }

// Group is where all readings go as one object.
func (d Device) Group() string { return d.base }

// Status is where the device is told online or offline; no reading may have this name.
func (d Device) Status() string { return d.base + "/status" }

// Reading is where a reading goes.
func (d Device) Reading(name string) string { return d.base + "/" + name }

// Set is where a reading is written.
func (d Device) Set(name string) string { return d.base + "/" + name + "/set" }

// SetResult is where the outcome of a write to a reading goes.
func (d Device) SetResult(name string) string { return d.base + "/" + name + "/set/result" }
