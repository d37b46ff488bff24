package broker

import (
	"maps"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// ids keeps the two directions' packet ids apart. They are independent of each
// other [MQTT-2.3.1], but the library keeps both in one table: a client's packet
// would throw out the server's unacknowledged message of the same id, and a
// SUBSCRIBE of that id would be refused. So a client's id that is taken there by a
// message to the client gets another number inside. Used by the goroutine that
// reads from the client only.
type ids struct{ inside, outside map[uint16]uint16 }

func (t *ids) clone() ids { return ids{maps.Clone(t.inside), maps.Clone(t.outside)} }

// enter returns the inside id of a packet from the client that begins or ends an
// exchange which the client numbered.
func (t *ids) enter(cl *mqtt.Client, pk packets.Packet) uint16 {
	id := pk.PacketID
	if id == 0 {
		return id // not valid; the library refuses it
	}
	if other, ok := t.inside[id]; ok {
		return other
	}
	_, given := t.outside[id] // to another exchange of the client's
	held, taken := cl.State.Inflight.Get(id)
	if !given && (!taken || held.FixedHeader.Type == packets.Pubrec) { // a PUBREC is of the client's own QoS 2 message
		return id
	}
	free, err := cl.NextPacketID()
	if err != nil {
		return id
	}
	if t.inside == nil {
		t.inside, t.outside = map[uint16]uint16{}, map[uint16]uint16{}
	}
	other := uint16(free)
	t.inside[id], t.outside[other] = other, id
	return other
}

// leave returns the client's id of an answer to it, and forgets the number inside
// when the answer is the last one.
func (t *ids) leave(pk packets.Packet) uint16 {
	id, ok := t.outside[pk.PacketID]
	if !ok {
		return pk.PacketID
	}
	if pk.FixedHeader.Type != packets.Pubrec || pk.ReasonCode >= packets.ErrUnspecifiedError.Code {
		delete(t.outside, pk.PacketID)
		delete(t.inside, id)
	}
	return id
}
