package config

import (
	"cmp"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
)

// Sparkplug publishes the readings a second time, as those of a Sparkplug edge node.
type Sparkplug struct {
	Group    string
	Node     string // default: the gateway's name
	ClientID string // of its own connection; default: that of mqtt with -sparkplug at the end
}

func sparkplug(n strictyaml.Node, gateway, client string) *Sparkplug {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	s := &Sparkplug{
		Group:    sparkplugID(m.Need("group")),
		Node:     cmp.Or(sparkplugID(m.Get("node")), gateway),
		ClientID: client + "-sparkplug",
	}
	if own := m.Get("client_id"); own.Present() {
		s.ClientID = clientID(own, gateway)
		if s.ClientID == client {
			own.Problemf("the client id %s is that of mqtt, and the broker would end one connection for the other: choose another", own.Shown())
		}
	}
	return s
}

// sparkplugID reads one level of a topic [Sparkplug 3.0, 4.1.1 to 4.1.4], "" if it is
// absent or wrong.
func sparkplugID(n strictyaml.Node) string {
	const most = 128
	id, ok := n.Text()
	if ok && (!message.ValidTopic(id) || strings.Contains(id, "/") || len(id) > most || id == "STATE") {
		n.Problemf("%s cannot be part of a Sparkplug topic: it has 1 to %d bytes without /, +, #, white space and control characters, and is not STATE", n.Shown(), most)
		return ""
	}
	return id
}
