package mqtt

import (
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// reasons are what the reason codes of failures mean [MQTT 5, 2.4].
var reasons = map[byte]string{
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "implementation specific error",
	0x84: "unsupported protocol version",
	0x85: "client identifier not valid",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "server unavailable",
	0x89: "server busy",
	0x8A: "banned",
	0x8B: "server shutting down",
	0x8C: "bad authentication method",
	0x8D: "keep alive timeout",
	0x8E: "session taken over",
	0x8F: "topic filter invalid",
	0x90: "topic name invalid",
	0x91: "packet identifier in use",
	0x92: "packet identifier not found",
	0x93: "receive maximum exceeded",
	0x94: "topic alias invalid",
	0x95: "packet too large",
	0x96: "message rate too high",
	0x97: "quota exceeded",
	0x98: "administrative action",
	0x99: "payload format invalid",
	0x9A: "retain not supported",
	0x9B: "QoS not supported",
	0x9C: "use another server",
	0x9D: "server moved",
	0x9E: "shared subscriptions not supported",
	0x9F: "connection rate exceeded",
	0xA0: "maximum connect time",
	0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// reason is a reason code in words, with those of the broker if it has some.
func reason(code byte, words string) string {
	text, ok := reasons[code]
	if !ok {
		text = fmt.Sprintf("reason code 0x%02X", code)
	}
	if words != "" && words != text {
		text += ": " + words
	}
	return text
}

// What to do about the reason codes that users meet.
const (
	badVersion = 0x84
	badID      = 0x85
	badLogin   = 0x86
	notAllowed = 0x87
	takenOver  = 0x8E
	noRetain   = 0x9A
	lessQoS    = 0x9B
)

func (v *v5) refusedConnection(answer *paho.Connack) error {
	words := ""
	if answer.Properties != nil {
		words = answer.Properties.ReasonString
	}
	said := reason(answer.ReasonCode, words)
	switch answer.ReasonCode {
	case badVersion:
		return fmt.Errorf("the broker does not speak MQTT 5 (%s): set mqtt.version to \"3.1.1\"", said)
	case badID:
		return fmt.Errorf("the broker refuses the client id %q (%s): set another with mqtt.client_id", v.o.ClientID, said)
	case badLogin, notAllowed:
		return fmt.Errorf("%s, says the broker: check mqtt.username and mqtt.password_file", said)
	}
	return fmt.Errorf("the broker refuses the connection: %s", said)
}

var errTakenOver = errors.New("session taken over")

// sentAway is why the broker ended the connection.
func (v *v5) sentAway(d *paho.Disconnect) error {
	words := ""
	if d.Properties != nil {
		words = d.Properties.ReasonString
	}
	if d.ReasonCode == takenOver {
		words = fmt.Sprintf("another client uses the client id %q: give each its own with mqtt.client_id", v.o.ClientID)
		return &trouble{words, errTakenOver}
	}
	return fmt.Errorf("the broker ends it: %s", reason(d.ReasonCode, words))
}
