package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"modferry/gateway/broker/packet"
)

// What one broker holds at most. Options.Memory bounds the bytes of it.
const (
	maxPacket         = 1<<20 + maxConnect // bytes of one MQTT packet: a payload of 1 MiB is passed on, for its reader to judge
	maxConnect        = 128 << 10          // bytes of a CONNECT packet
	maxConnections    = 512                // clients at a time, TCP and WebSocket together
	maxSessions       = 1024               // connected and waiting; the one longest away goes first
	maxClientID       = 1024               // bytes
	maxTopic          = 4096               // bytes of a topic or filter
	maxLevels         = 128                // of a topic or filter
	maxQueued         = 16 << 10           // messages per client: waiting and unacknowledged
	maxClientBytes    = 8 << 20            // of these
	maxRetained       = 10000              // topics; their bytes are at most half of Options.Memory
	maxSubscriptions  = 1000               // per client
	maxClientSubBytes = 1 << 20            // of these
	maxSubBytes       = 6 << 20            // of all subscriptions
	receiveMaximum    = 1024               // QoS 2 messages of a client that it has not released
	defaultMemory     = 24 << 20
	maxSessionExpiry  = 7 * 24 * time.Hour // that a client may be away
)

// Options says where a broker listens and whom it serves.
type Options struct {
	Listen  string                      // TCP host:port, "" = WebSocket only, port 0 = a free one
	TLS     func() (*tls.Config, error) // asked at each connection to Listen, which speaks TLS then; nil = plain TCP
	Plain   string                      // a second TCP host:port that never speaks TLS, "" = none
	Users   map[string]User             // by name; nil = anyone, with any password or none
	Own     Own                         // the gateway itself
	Origins []string                    // hosts (host or host:port) whose web pages may connect to a broker without users; pages of this machine always may
	Dir     string                      // for what shall survive a restart, of one process at a time; "" = in memory
	Memory  int                         // bytes of messages and subscriptions held at most, 0 = 24 MiB, at least 4 MiB
	Logger  *slog.Logger                // nil = silent
}

// User is who may connect, and what for.
type User struct {
	Password string
	Topics   []string // MQTT filters it may publish and subscribe within
	Read     []string // MQTT filters it may subscribe within, and no more
}

// Own is how the gateway itself connects. Its client id is for nobody else, nor is its
// name, whether or not there are users; it may publish and subscribe everywhere. The
// zero value reserves nothing.
type Own struct {
	ClientID, Username, Password string

	// AsPublished picks, by their filters, the subscriptions of connections with this
	// name that are Retain As Published although MQTT before 5 cannot ask for that;
	// nil = none.
	AsPublished func(filter string) bool
}

// asPublished reports whether a subscription is given the flag unasked.
func (o *Own) asPublished(user, filter string) bool {
	return o.AsPublished != nil && o.Username != "" && user == o.Username && o.AsPublished(filter)
}

// Broker is an MQTT broker. Make one with [New].
type Broker struct {
	hub    *hub
	door   *door
	tls    func() (*tls.Config, error)
	listen net.Listener // nil if there is none
	plain  net.Listener // nil if there is none
	log    *quiet
	pages  []string
}

// New checks the options, opens the TCP ports and takes over what an earlier process
// left in Options.Dir; clients wait until [Broker.Run], which must be called, if only
// with a done context, to close it. A disk that cannot be used is no error: the log
// says so, and the broker goes on in memory. A directory that another process uses is.
func New(o Options) (*Broker, error) {
	access, err := newAccess(o.Users)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Own.ClientID != "" && (o.Own.Username == "" || o.Own.Password == ""):
		return nil, errors.New("the gateway's own client id at the broker needs a user name and a password")
	case o.Memory != 0 && o.Memory < 4<<20:
		return nil, fmt.Errorf("the broker's memory is %d bytes: it needs at least 4 MiB", o.Memory)
	}
	access.own = o.Own.Username
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{hub: newHub(o, access, log), tls: o.TLS, pages: o.Origins}
	b.log = b.hub.log
	b.door = newDoor(b.hub, b.log)
	if b.listen, err = listen(o.Listen); err != nil {
		return nil, err
	}
	if b.plain, err = listen(o.Plain); err == nil && o.Dir != "" {
		err = b.hub.open(o.Dir, log)
	}
	if err != nil {
		b.closePorts()
		return nil, err
	}
	return b, nil
}

func listen(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // there is to be none
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for MQTT on %s: %w", address, err)
	}
	return l, nil
}

// open takes over what is in dir, and begins to write there when the store runs.
func (h *hub) open(dir string, log *slog.Logger) error {
	s := newStore(dir, log)
	s.snapshot = h.snapshot
	var err error
	if s.lock, err = lockDir(dir); errors.Is(err, errLocked) {
		return fmt.Errorf("cannot keep the broker's messages in %s: another process does", dir)
	}
	h.store = s
	records, err := s.load()
	if err != nil {
		log.Warn("the broker cannot read what it kept: it begins empty", "path", s.path, "error", err)
	}
	h.restore(records)
	return nil
}

// Addr returns the address of Options.Listen, nil if there is none.
func (b *Broker) Addr() net.Addr { return addr(b.listen) }

// PlainAddr returns the address of Options.Plain, nil if there is none.
func (b *Broker) PlainAddr() net.Addr { return addr(b.plain) }

func addr(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

func (b *Broker) closePorts() {
	for _, l := range []net.Listener{b.listen, b.plain} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// SetUsers replaces the users; nil = anyone. Connections of users that are gone or
// have another password are closed, other topics count at once. After an error
// nothing has changed.
func (b *Broker) SetUsers(users map[string]User) error {
	access, err := newAccess(users)
	if err != nil {
		return err
	}
	access.own = b.hub.own.Username
	b.hub.reload(access)
	return nil
}

// Run serves until ctx ends. Then clients of MQTT 5 are told that the server shuts
// down, all connections are closed, wills are published, what is to survive is on
// disk and everything it started has ended. Call it once.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	writing := make(chan struct{})
	var disk sync.WaitGroup
	if s := b.hub.store; s != nil {
		disk.Go(func() {
			s.flush(true)
			s.run(writing)
		})
	}
	parts.Go(func() { b.hub.tick(ctx) })
	b.door.open(ctx)
	if b.listen != nil {
		parts.Go(func() { b.door.accept(b.listen, b.tls) })
	}
	if b.plain != nil {
		parts.Go(func() { b.door.accept(b.plain, nil) })
	}
	<-ctx.Done()
	b.closePorts()
	b.door.close()
	parts.Wait()
	close(writing)
	disk.Wait()
	return nil
}

// sendAway ends all connections.
func (h *hub) sendAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	var all []*client
	for _, s := range h.sessions {
		if s.client != nil {
			all = append(all, s.client)
		}
	}
	for _, c := range all { // first of all: wills are not for those who leave as well
		c.close(packet.ServerShuttingDown)
	}
	for _, c := range all {
		h.detach(c)
	}
}
