package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// What one broker holds at most.
const (
	maxPacket      = 1<<20 + maxConnect // bytes of one MQTT packet: a payload of 1 MiB is passed on, for its reader to judge
	maxConnect     = 128 << 10          // bytes of a CONNECT packet
	maxConnections = 512                // at a time, TCP and WebSocket together
	maxSessions    = 1024               // connected and waiting; the one longest away goes first
	maxQueued      = 4096               // messages per client: written soon, and unacknowledged
	maxLevels      = 128                // of a topic or filter
	maxRetained    = 10000              // topics
	sessionSeconds = 7 * 24 * 3600
	statusSeconds  = 30 // between two rounds of $SYS topics
)

// Options says where a broker listens and whom it serves.
type Options struct {
	Listen  string          // TCP host:port, "" = WebSocket only, port 0 = a free one
	Users   map[string]User // by name; nil = anyone, without a password
	Origins []string        // hosts (host or host:port) whose web pages may connect to a broker without users; pages of this machine always may
	Logger  *slog.Logger    // nil = silent
}

// User is who may connect, and what for.
type User struct {
	Password string
	Topics   []string // MQTT filters it may publish and subscribe within
}

// Broker is an MQTT broker. Make one with [New].
type Broker struct {
	server *mqtt.Server
	door   *door
	hook   *hook
	log    *slog.Logger
	pages  []string
}

// New checks the options and opens the TCP port; clients wait there until
// [Broker.Run], which must be called, if only with a done context, to close it.
func New(o Options) (*Broker, error) {
	access, err := newAccess(o.Users)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{server: newServer(), log: log, pages: o.Origins}
	b.hook = &hook{server: b.server, access: access, log: log}
	if err := b.server.AddHook(b.hook, nil); err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	b.door = newDoor(b.hook, log)
	if o.Listen == "" {
		return b, nil
	}
	b.door.tcp, err = net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for MQTT on %s: %w", o.Listen, err)
	}
	return b, nil
}

func newServer() *mqtt.Server {
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumClients = maxConnections
	limits.MaximumPacketSize = maxPacket
	limits.MaximumClientWritesPending = maxQueued
	limits.MaximumInflight = maxQueued
	limits.ReceiveMaximum = receiveMaximum
	limits.MaximumSessionExpiryInterval = sessionSeconds
	limits.MaximumMessageExpiryInterval = 0 // a retained message stays until it is replaced
	limits.TopicAliasMaximum = 0            // an alias would reach the access check as an empty topic
	limits.Compatibilities.NoInheritedPropertiesOnAck = true
	return mqtt.New(&mqtt.Options{
		Capabilities:             limits,
		ClientNetWriteBufferSize: 1, // conn gathers writes; the library's own buffer can keep an acknowledgement back
		SysTopicResendInterval:   statusSeconds,
		Logger:                   slog.New(slog.DiscardHandler), // it logs whole packets, passwords among them
	})
}

// Addr returns the TCP address, nil if there is none.
func (b *Broker) Addr() net.Addr {
	if b.door.tcp == nil {
		return nil
	}
	return b.door.tcp.Addr()
}

// Run serves until ctx ends. Then clients of MQTT 5 are told that the server shuts
// down, all connections are closed and everything it started has ended. Call it once.
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.AddListener(b.door); err != nil {
		b.door.Close(nil)
		return fmt.Errorf("cannot start the broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		b.door.Close(nil)
		return fmt.Errorf("cannot start the broker: %w", err)
	}
	<-ctx.Done()
	return b.server.Close()
}
