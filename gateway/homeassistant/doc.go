// Package homeassistant announces readings to Home Assistant by MQTT discovery: what
// retained messages a configuration makes, pure. The reference is Home Assistant's
// documentation of MQTT discovery and of its MQTT integrations; terms are its own: a
// component is a kind of entity, an entity is one value, a device has entities.
//
//	homeassistant/<component>/<node>/<object>/config    {"state_topic":"modferry/w/device/d/t", ...}
//
// A reading that cannot be written is a sensor, or a binary_sensor if it is a bool. One
// that can be is a switch (bool), a select (names), a number, or a text (texts, times).
// Flags are a sensor either way. The node is the gateway, and an object one of its readings.
//
// # When a value counts as known
//
// An entity is available while the gateway and its device say online and, with
// payload json, while the reading's quality is good. A sensor that is not heard of for
// [expiry] is unavailable as well.
//
// # Limits
//
// Readings of devices with payload hex or binary are not announced, for their payloads
// are frames; nor are blocks, for a state is one value. [Messages] returns them.
package homeassistant
