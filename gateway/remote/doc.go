// Package remote is the other end of a bus: it sends requests to a gateway somewhere
// over MQTT, any number at a time, and waits for what comes for each.
//
// A request travels as JSON with an id, which tells replies apart, a device's refusal
// from the gateway's, and has the gateway answer a repeated request from its journal:
// what was under way when the broker died is published again, and executed once. A bus
// that takes no JSON gets hex text or bytes, one request at a time.
//
// Nothing leaves after its time: a request that waits for the broker longer than its
// context lasts is not sent.
package remote
