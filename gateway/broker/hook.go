package broker

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// takeoverTimeout bounds the wait for a replaced connection to end.
const takeoverTimeout = 5 * time.Second

// hook is what the library asks on every step of a client's life.
type hook struct {
	mqtt.HookBase
	server *mqtt.Server
	access *access
	log    *slog.Logger
	turn   sync.Mutex // held while a session is established
}

// ID names the hook for the library.
func (h *hook) ID() string { return "modferry" }

// Provides lists what the library shall call.
func (h *hook) Provides(event byte) bool {
	return slices.Contains([]byte{
		mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnDisconnect, mqtt.OnClientExpired, mqtt.OnACLCheck, mqtt.OnPublish,
		mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketProcessed,
	}, event)
}

func connOf(cl *mqtt.Client) (*conn, bool) {
	c, ok := cl.Net.Conn.(*conn)
	return c, ok
}

// sendAway disconnects the clients of a listener. The library's own way holds its
// lock of the clients while it takes it a second time, and waits for ever if a client
// that leaves asks for it in between.
func (h *hook) sendAway(listener string) {
	for _, cl := range h.server.Clients.GetAll() {
		if cl.Net.Listener == listener && !cl.Closed() {
			_ = h.server.DisconnectClient(cl, packets.ErrServerShuttingDown) // who does not take it is cut next
		}
	}
}

// OnConnect takes over what the library would do wrong with the client's own limits.
func (h *hook) OnConnect(cl *mqtt.Client, _ packets.Packet) error {
	if c, ok := connOf(cl); ok {
		c.session.limit(cl)
	}
	cl.Properties.Props.TopicAliasMaximum = 0 // a repeated message may carry an alias of the last connection
	return nil
}

// OnConnectAuthenticate accepts or refuses a client.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	user := string(pk.Connect.Username)
	if err := h.admit(cl, pk, user); err != nil {
		h.log.Warn("mqtt client refused", "client", cl.ID, "user", user, "remote", cl.Net.Remote, "error", err)
		return false
	}
	h.log.Debug("mqtt client connected", "client", cl.ID, "user", user, "remote", cl.Net.Remote)
	return true
}

func (h *hook) admit(cl *mqtt.Client, pk packets.Packet, user string) error {
	if pk.Properties.AuthenticationMethod != "" {
		return errors.New("it asks for an authentication method; only user name and password are known")
	}
	if !h.access.login(user, string(pk.Connect.Password)) {
		return errors.New("wrong user name or password")
	}
	// Its session would be handed over, messages and all.
	if old, ok := h.server.Clients.Get(cl.ID); ok && h.access.users != nil && string(old.Properties.Username) != user {
		return errors.New("the client id is in use by another user")
	}
	if will := pk.Connect.WillTopic; pk.Connect.WillFlag && (!mqtt.IsValidFilter(will, true) || !h.access.allows(user, will)) {
		return errors.New("its will topic is not one of its topics") // the library publishes wills unchecked
	}
	return nil
}

// OnSessionEstablish ends the client's earlier connection, with its will, before the new
// one begins: left to the library, the old one's end may remove the new one's session.
func (h *hook) OnSessionEstablish(cl *mqtt.Client, pk packets.Packet) {
	c, ok := connOf(cl)
	if !ok {
		return
	}
	h.turn.Lock()
	c.session.leave = sync.OnceFunc(h.turn.Unlock)
	c.session.client = cl
	old, ok := h.server.Clients.Get(cl.ID)
	if !ok {
		return
	}
	before, ok := connOf(old)
	if !ok {
		return
	}
	_ = old.WritePacket(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
		ReasonCode:  packets.ErrSessionTakenOver.Code,
	})
	_ = before.Close() // not the library's DisconnectClient, after which it may forget the will
	select {
	case <-before.settled:
	case <-time.After(takeoverTimeout):
		return
	}
	if !pk.Connect.Clean {
		c.session.ids = before.session.ids.clone()
	}
}

// OnSessionEstablished keeps the number of sessions within its bound.
func (h *hook) OnSessionEstablished(*mqtt.Client, packets.Packet) { h.dropOldest() }

// dropOldest forgets the session whose client is longest away if there are too many.
func (h *hook) dropOldest() {
	if h.server.Clients.Len() <= maxSessions {
		return
	}
	var oldest *mqtt.Client
	for _, cl := range h.server.Clients.GetAll() {
		if away := cl.StopTime(); away != 0 && (oldest == nil || away < oldest.StopTime()) {
			oldest = cl
		}
	}
	if oldest != nil {
		h.forget(oldest)
		h.log.Warn("mqtt session dropped: too many clients are away", "client", oldest.ID)
	}
}

// forget removes all that the library holds of a disconnected client.
func (h *hook) forget(cl *mqtt.Client) {
	cl.ClearInflights()
	h.server.UnsubscribeClient(cl)
	h.server.Clients.Delete(cl.ID)
}

// OnClientExpired removes the subscriptions too, which the library leaves behind.
func (h *hook) OnClientExpired(cl *mqtt.Client) { h.forget(cl) }

// OnDisconnect is for the log only.
func (h *hook) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	h.log.Debug("mqtt client disconnected", "client", cl.ID, "remote", cl.Net.Remote, "error", err)
}

// OnACLCheck decides about a subscription's filter, a topic to publish to, and every
// message on its way to a client.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if write && cl.Properties.ProtocolVersion < 5 {
		return true // OnPublish decides: the library would cut the connection, again and again
	}
	return h.allows(cl, topic)
}

func (h *hook) allows(cl *mqtt.Client, topic string) bool {
	if strings.Count(topic, "/") >= maxLevels {
		return false // the library's time for one topic grows with the square of its levels
	}
	return h.access.allows(string(cl.Properties.Username), withoutShare(topic))
}

// OnPublish drops what an older client may not publish; there is no way to tell it [MQTT-3.3.5-2].
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if !cl.Net.Inline && !h.allows(cl, pk.TopicName) {
		h.reportRefused(cl, pk.TopicName)
		return pk, packets.CodeSuccessIgnore
	}
	if pk.FixedHeader.Retain && len(pk.Payload) > 0 && h.server.Topics.Retained.Len() >= maxRetained {
		if _, replaced := h.server.Topics.Retained.Get(pk.TopicName); !replaced {
			h.log.Warn("mqtt message not retained: too many topics are", "client", cl.ID, "topic", pk.TopicName)
			pk.FixedHeader.Retain = false
		}
	}
	return pk, nil
}

// reportRefused says it once per connection, or a client that keeps on would fill the log.
func (h *hook) reportRefused(cl *mqtt.Client, topic string) {
	c, ok := connOf(cl)
	if !ok || c.session.warned {
		return
	}
	c.session.warned = true
	h.log.Warn("mqtt message dropped: the user may not publish there; later ones are dropped silently",
		"client", cl.ID, "user", string(cl.Properties.Username), "topic", topic)
}

// OnPacketRead gives a client's packet its id inside, and counts acknowledgements.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := connOf(cl)
	if !ok {
		return pk, nil
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		// The library counts a QoS 2 message to the client against what the client
		// may send, and would cut the connection; the table of ids is the bound.
		cl.State.Inflight.ResetReceiveQuota(receiveMaximum)
		if pk.FixedHeader.Qos > 0 {
			pk.PacketID = c.session.ids.enter(cl, pk)
		}
	case packets.Pubrel, packets.Subscribe, packets.Unsubscribe:
		pk.PacketID = c.session.ids.enter(cl, pk)
	case packets.Puback, packets.Pubcomp:
		c.session.acknowledged()
	case packets.Pubrec:
		if pk.ReasonCode >= packets.ErrUnspecifiedError.Code {
			c.session.acknowledged()
		}
	}
	return pk, nil
}

// OnPacketEncode gives an answer the client's id back, and lets a message wait until the
// client takes it; the library's bounded queue of the client fills up meanwhile.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	c, ok := connOf(cl)
	if !ok {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		c.awaitRoom()
		if pk.FixedHeader.Qos > 0 {
			c.session.sent(pk.FixedHeader.Dup, c.closed)
		}
	case packets.Connack:
		c.session.endTurn() // the library has the client in its table now
	case packets.Pubrec:
		if pk.ReasonCode == packets.ErrPacketIdentifierInUse.Code {
			// A repeated message. The library calls it an error, after which a
			// client of MQTT 5 would think that the message was not taken.
			pk.ReasonCode, pk.Properties.ReasonString = packets.CodeSuccess.Code, ""
		}
		pk.PacketID = c.session.ids.leave(pk)
	case packets.Puback, packets.Pubcomp, packets.Suback, packets.Unsuback:
		pk.PacketID = c.session.ids.leave(pk)
	}
	return pk
}

// OnPacketProcessed sends a new subscriber of "a/#" what is retained on "a" itself,
// which the library forgets [MQTT-4.7.1-2]; at QoS 0, which is all that can be done from outside.
func (h *hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, err error) {
	if err != nil || pk.FixedHeader.Type != packets.Subscribe {
		return
	}
	for _, sub := range pk.Filters {
		parent, ok := strings.CutSuffix(sub.Filter, "/#")
		if !ok || mqtt.IsSharedFilter(sub.Filter) || sub.RetainHandling != 0 || !h.allows(cl, sub.Filter) {
			continue
		}
		for _, kept := range h.server.Topics.Messages(parent) {
			if h.allows(cl, kept.TopicName) {
				kept.FixedHeader.Qos, kept.PacketID = 0, 0
				_ = cl.WritePacket(kept) // fails only when the connection has ended
			}
		}
	}
}
