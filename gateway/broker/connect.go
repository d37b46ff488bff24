package broker

import (
	"errors"
	"time"

	"modferry/gateway/broker/packet"
)

// refusal is a CONNECT packet that is answered with a reason.
type refusal struct {
	reason byte
	text   string
}

func (r *refusal) Error() string { return r.text }

// connect does what the first packet of a connection asks for.
func (c *client) connect(header byte, body []byte) error {
	p, err := packet.Decode(packet.V5, header, body)
	var wrong *packet.Error
	if errors.As(err, &wrong) && wrong.Code == packet.UnsupportedVersion {
		if c.version = packet.V311; p.Connect.Version > packet.V5 {
			c.version = packet.V5
		}
		return c.refuse(&refusal{packet.UnsupportedVersion, "only MQTT 3.1, 3.1.1 and 5 are known"})
	}
	if err != nil {
		return err
	}
	c.version = p.Connect.Version
	c.keepAlive = time.Duration(p.Connect.KeepAlive) * time.Second
	if err := c.hub.attach(c, p.Connect, p.Properties); err != nil {
		return c.refuse(err)
	}
	c.place.keep()
	return nil
}

func (c *client) refuse(err error) error {
	ack := packet.Connack{Reason: packet.Unspecified}
	var r *refusal
	if errors.As(err, &r) {
		ack.Reason, ack.Text = r.reason, r.text
	}
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	c.control = ack.Append(c.control, c.version)
	return err
}

// attach gives a connection its session, and ends the connection that had it before.
func (h *hub) attach(c *client, p *packet.Connect, props packet.Properties) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	own := h.own.ClientID != "" && p.ClientID == h.own.ClientID
	if err := h.admit(c, p, props); err != nil {
		h.log.warn("refused", "mqtt client refused", "client", p.ClientID, "user", p.Username, "remote", c.remote, "error", err)
		return err
	}
	id, assigned := p.ClientID, ""
	if id == "" {
		id = randomID()
		assigned = id
	}
	if old := h.sessions[id]; old != nil && old.client != nil {
		before := old.client
		before.close(packet.SessionTakenOver)
		h.detach(before)
	}
	s, present := h.session(id, p.Username, p.Clean)
	s.own, s.version, s.told = own, c.version, false
	expiry := h.limit(c, s, p, props)
	s.client, c.session, s.left = c, s, time.Time{}
	c.user = credentials{p.Username, passwordHash(string(p.Password))}
	h.connected++
	h.stats.Connects++
	h.dropWill(s) // a delayed one of the connection before [MQTT-3.1.3-9]
	if p.Will != nil && !h.setWill(s, newWill(p.Will)) {
		h.detach(c)
		return &refusal{packet.QuotaExceeded, "there is no room for the will"}
	}
	for _, d := range s.unacknowledged() {
		c.resend.push(d)
	}
	h.keepSession(s)
	ack := packet.Connack{
		SessionPresent: present, ClientID: assigned, SessionExpiry: expiry,
		ReceiveMaximum: receiveMaximum, MaximumPacket: maxPacket,
	}
	c.control = ack.Append(c.control, c.version)
	c.poke()
	h.log.debug("mqtt client connected", "client", id, "user", p.Username, "remote", c.remote, "session", present)
	return nil
}

// limit takes over what the client says about itself. The session expiry is
// returned where it is not what the client asked for.
func (h *hub) limit(c *client, s *session, p *packet.Connect, props packet.Properties) *uint32 {
	c.receiveMax = window
	if n := int(props.ReceiveMaximum); n > 0 {
		c.receiveMax = min(n, window)
	}
	c.maxPacket = int(props.MaximumPacket)
	if p.Version != packet.V5 {
		if s.expiry = 0; !p.Clean {
			s.expiry = maxSessionExpiry
		}
		return nil
	}
	s.expiry = 0
	if props.SessionExpiry == nil {
		return nil
	}
	s.expiry = time.Duration(*props.SessionExpiry) * time.Second
	if s.expiry <= maxSessionExpiry {
		return nil
	}
	s.expiry = maxSessionExpiry
	seconds := uint32(maxSessionExpiry / time.Second)
	return &seconds
}

// admit decides whether a client may connect.
func (h *hub) admit(c *client, p *packet.Connect, props packet.Properties) error {
	mine := h.own.ClientID != "" && p.ClientID == h.own.ClientID
	old := h.sessions[p.ClientID]
	switch {
	case h.ended:
		return &refusal{packet.ServerShuttingDown, "the broker ends"}
	case c.closing:
		return errors.New("the connection is closed")
	case props.AuthMethod:
		return &refusal{packet.BadAuthMethod, "it asks for an authentication method; only user name and password are known"}
	case p.ClientID == "" && (p.Version == packet.V31 || p.Version == packet.V311 && !p.Clean): // [MQTT-3.1.3-8]
		return &refusal{packet.BadClientID, "it has no client id"}
	case len(p.ClientID) > maxClientID:
		return &refusal{packet.BadClientID, "its client id is too long"}
	case !h.login(p.Username, string(p.Password)):
		return &refusal{packet.NotAuthorized, "wrong user name or password"}
	case mine && p.Username != h.own.Username:
		return &refusal{packet.NotAuthorized, "the client id belongs to the gateway itself"}
	case old != nil && h.access.users != nil && old.user != p.Username: // its session would be handed over, messages and all
		return &refusal{packet.NotAuthorized, "the client id is in use by another user"}
	case p.Will != nil && (checkTopic(p.Will.Topic) != nil || !h.access.allows(p.Username, p.Will.Topic)):
		return &refusal{packet.NotAuthorized, "its will topic is not one of its topics"}
	case !mine && h.connected >= maxConnections && (old == nil || old.client == nil):
		return &refusal{packet.ServerBusy, "too many clients are connected"}
	}
	return nil
}

// login reports whether the name goes with the password. The gateway's own name is
// for itself, whether or not there are users.
func (h *hub) login(name, password string) bool {
	if h.own.Username != "" && name == h.own.Username {
		return samePassword(passwordHash(password), passwordHash(h.own.Password))
	}
	return h.access.login(name, password)
}

// reload gives the users other passwords and topics. Connections and waiting
// messages that would not be accepted now go.
func (h *hub) reload(a *access) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.access = a
	for _, s := range h.sessions {
		if c := s.client; c != nil && !h.holds(c.user) {
			h.log.warn("users", "mqtt connection closed: its user is gone, or has another password", "client", s.id, "user", s.user)
			c.close(packet.NotAuthorized)
			h.detach(c)
		}
		h.dropForbidden(s)
	}
	h.dropOrphans()
}

// dropOrphans ends the sessions of users that are gone: nobody could ever have them again.
func (h *hub) dropOrphans() {
	if h.access.users == nil {
		return
	}
	for _, s := range h.sessions {
		if _, known := h.access.users[s.user]; !known && (s.user == "" || s.user != h.own.Username) {
			h.end(s)
		}
	}
}

func (h *hub) holds(u credentials) bool {
	if h.own.Username != "" && u.name == h.own.Username {
		return true
	}
	if h.access.users == nil {
		return true
	}
	account, known := h.access.users[u.name]
	return known && account.password == u.hash
}

// dropForbidden forgets messages that the session's user may not read any more.
func (h *hub) dropForbidden(s *session) {
	var gone []*delivery
	for _, all := range [][]*delivery{s.queue.all(), s.fast.all()} {
		for _, d := range all {
			if !h.access.shows(s.user, d.message.topic) {
				gone = append(gone, d)
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	for _, d := range gone {
		h.forget(s, d)
	}
	s.queue, s.fast = s.queue.living(), s.fast.living()
}
