package gatewaytest

import (
	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// store hands out copies. The library marks a packet that it takes from its store at
// a reconnect as a repetition, while it may be writing the very same one.
type store struct{ paho.Store }

func newStore() store { return store{paho.NewOrderedMemoryStore()} }

func (s store) Put(key string, p packets.ControlPacket) { s.Store.Put(key, separate(p)) }

func (s store) Get(key string) packets.ControlPacket { return separate(s.Store.Get(key)) }

func separate(p packets.ControlPacket) packets.ControlPacket {
	switch p := p.(type) {
	case *packets.PublishPacket:
		own := *p
		return &own
	case *packets.PubrelPacket:
		own := *p
		return &own
	}
	return p
}
