package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	acceptPause  = 100 * time.Millisecond // after a failed accept
	startTimeout = 5 * time.Second        // for a WebSocket that comes before Run
)

// door is where connections come in, from the TCP port and from the WebSocket
// handler. It is the library's one listener: the library's own let a panic about a
// malformed packet end the whole process.
type door struct {
	tcp  net.Listener // nil if there is none
	hook *hook
	log  *slog.Logger
	all  sync.WaitGroup // of every goroutine below

	serving   chan struct{} // closed by Serve
	mu        sync.Mutex
	establish listeners.EstablishFn // nil before Serve
	ended     bool
	inside    map[*conn]struct{}
}

func newDoor(h *hook, log *slog.Logger) *door {
	return &door{hook: h, log: log, serving: make(chan struct{}), inside: map[*conn]struct{}{}}
}

// ID, Address, Protocol and Init are for the library.
func (d *door) ID() string { return "modferry" }

// Address is the TCP address, empty if there is none.
func (d *door) Address() string {
	if d.tcp == nil {
		return ""
	}
	return d.tcp.Addr().String()
}

// Protocol names what is spoken.
func (d *door) Protocol() string { return "mqtt" }

// Init does nothing: the port is open already.
func (d *door) Init(*slog.Logger) error { return nil }

// Serve accepts connections until Close.
func (d *door) Serve(establish listeners.EstablishFn) {
	d.mu.Lock()
	if d.ended {
		d.mu.Unlock()
		return
	}
	d.establish = establish
	close(d.serving)
	d.all.Add(1)
	d.mu.Unlock()
	defer d.all.Done()
	for d.tcp != nil {
		socket, err := d.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, or the client has gone again
			d.log.Warn("cannot accept an mqtt connection", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if c := d.admit(socket); c != nil {
			go d.serve(c)
		}
	}
}

// open reports whether a connection would be served now. Before Serve it waits a
// little, as connections to the TCP port do.
func (d *door) open(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case <-d.serving:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.establish != nil && !d.ended && len(d.inside) < maxConnections
}

// admit takes a connection in, for serve to be called with it; nil, and the socket closed, if there is no place.
func (d *door) admit(socket net.Conn) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.establish == nil || d.ended || len(d.inside) >= maxConnections {
		_ = socket.Close()
		if !d.ended {
			d.log.Warn("mqtt connection refused: too many", "remote", socket.RemoteAddr().String())
		}
		return nil
	}
	c := newConn(socket)
	d.inside[c] = struct{}{}
	d.all.Add(1)
	return c
}

// serve lets the library talk to the client until the connection has ended.
func (d *door) serve(c *conn) {
	defer d.all.Done()
	var writing sync.WaitGroup
	writing.Go(c.writeLoop)
	defer d.leave(c)
	defer writing.Wait()
	defer close(c.settled)
	defer func() { _ = c.Close() }()
	defer c.session.endTurn()
	defer d.recovered(c)
	if err := d.establish(d.ID(), c); err != nil && c.session.client == nil {
		d.log.Debug("mqtt connection ended before a session began", "remote", c.RemoteAddr().String(), "error", err)
	}
}

func (d *door) leave(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, c)
}

// recovered does what the library would have done at the end of a connection, after a panic in it.
func (d *door) recovered(c *conn) {
	cause := recover()
	if cause == nil {
		return
	}
	d.log.Warn("mqtt connection closed: its packet cannot be decoded", "remote", c.RemoteAddr().String(), "error", fmt.Sprint(cause))
	d.log.Debug("mqtt packet cannot be decoded", "stack", string(debug.Stack()))
	_ = c.Close()
	cl := c.session.client
	if cl == nil {
		return
	}
	d.hook.publishWill(cl)
	version, props := cl.Properties.ProtocolVersion, cl.Properties.Props
	if (version == 5 && props.SessionExpiryInterval == 0) || (version < 5 && cl.Properties.Clean) {
		d.hook.forget(cl)
	}
}

// publishWill publishes the will of a client whose connection broke.
func (h *hook) publishWill(cl *mqtt.Client) {
	will := cl.Properties.Will
	if will.Flag == 0 {
		return
	}
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: will.Qos, Retain: will.Retain},
		TopicName:   will.TopicName,
		Payload:     will.Payload,
		PacketID:    uint16(will.Qos), // not used, but must not be 0
	}
	sender := h.server.NewClient(nil, h.ID(), cl.ID, true)
	if err := h.server.InjectPacket(sender, pk); err != nil {
		h.log.Warn("mqtt will not published", "client", cl.ID, "topic", will.TopicName, "error", err)
	}
}

// Close ends everything: no more connections come in, the clients are told, every
// connection is closed, and all goroutines have ended when it returns.
func (d *door) Close(listeners.CloseFn) {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	if d.tcp != nil {
		_ = d.tcp.Close()
	}
	d.hook.sendAway(d.ID())
	d.mu.Lock()
	for c := range d.inside {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.all.Wait()
}
