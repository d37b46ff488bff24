package broker

import (
	"bytes"
	"encoding/binary"
)

// wirePackets are good packets of every type that a client may send, by version.
func wirePackets(version byte) map[string][]byte {
	user, password := "ann", "secret"
	connect := connectPacket{version: version, clean: true, id: "wire", user: &user, password: &password, will: "w"}
	none := []byte{}
	publish, subscribe, reason := none, none, none
	if version == 5 {
		publish = listed([]byte{1, 1}, []byte{2, 0, 0, 0, 9}, []byte{3}, str("text"), []byte{8}, str("r"), []byte{9}, str("c"), []byte{0x26}, str("k"), str("v"))
		subscribe = listed([]byte{0x0B, 5}, []byte{0x26}, str("k"), str("v"))
		reason = append([]byte{0}, listed([]byte{0x1F}, str("why"), []byte{0x26}, str("k"), str("v"))...)
		connect.properties = bytes.Join([][]byte{expiry(60), {0x21, 0, 9, 0x27, 0, 1, 0, 0, 0x22, 0, 1, 0x17, 1, 0x19, 1, 0x26}, str("k"), str("v")}, nil)
	}
	all := map[string][]byte{
		"CONNECT":       connect.bytes(),
		"PUBLISH QoS 0": framed(0x31, str("a/b"), publish, []byte("payload")),
		"PUBLISH QoS 1": framed(0x32, str("a/b"), u16(1), publish, []byte("payload")),
		"PUBLISH QoS 2": framed(0x3C, str("a/b"), u16(2), publish, []byte("payload")),
		"PUBACK":        framed(0x40, u16(3), reason),
		"PUBREC":        framed(0x50, u16(4), reason),
		"PUBREL":        framed(0x62, u16(5), reason),
		"PUBCOMP":       framed(0x70, u16(6), reason),
		"SUBSCRIBE":     framed(0x82, u16(7), subscribe, str("a/+"), []byte{2}, str("$share/g/b/#"), []byte{1}),
		"PINGREQ":       framed(0xC0),
		"DISCONNECT":    framed(0xE0),
	}
	all["UNSUBSCRIBE"] = framed(0xA2, u16(8), str("a/+"), str("b"))
	if version == 5 {
		all["UNSUBSCRIBE"] = framed(0xA2, u16(8), listed([]byte{0x26}, str("k"), str("v")), str("a/+"), str("b"))
		all["DISCONNECT"] = framed(0xE0, []byte{0}, listed(expiry(5), []byte{0x1F}, str("why")))
		all["AUTH"] = framed(0xF0, []byte{0x18}, listed([]byte{0x15}, str("m"), []byte{0x16}, str("d")))
	}
	return all
}

// listed returns properties with their length.
func listed(parts ...[]byte) []byte {
	all := bytes.Join(parts, nil)
	return append(binary.AppendUvarint(nil, uint64(len(all))), all...)
}
