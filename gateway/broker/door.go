package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	acceptPause  = 100 * time.Millisecond // after a failed accept
	startTimeout = 5 * time.Second        // for a WebSocket that comes before Run
	maxSockets   = maxConnections + 64    // with those that have not connected yet
)

// door is where connections come in, from the TCP ports and from the WebSocket
// handler.
type door struct {
	hub *hub
	log *quiet
	all sync.WaitGroup // of every goroutine below

	serving chan struct{} // closed by open
	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	ended   bool
	inside  map[*place]struct{}
}

// place is a connection among the others. One that has not sent its CONNECT packet
// yet gives way to a newer one when there are too many.
type place struct {
	door   *door
	socket net.Conn
	client *client // nil before and during the TLS handshake
	since  time.Time
	kept   bool
}

func newDoor(h *hub, log *quiet) *door {
	return &door{hub: h, log: log, serving: make(chan struct{}), inside: map[*place]struct{}{}}
}

// open lets connections in.
func (d *door) open(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = ctx
	close(d.serving)
}

// accept takes connections from a port until it is closed. With secure they speak
// TLS first.
func (d *door) accept(port net.Listener, secure func() (*tls.Config, error)) {
	for {
		socket, err := port.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, or the client has gone again
			d.log.warn("accept", "cannot accept an mqtt connection", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		p := d.admit(socket)
		if p == nil {
			continue
		}
		go func() {
			defer d.leave(p)
			conn := socket
			if secure != nil {
				if conn = d.handshake(socket, secure); conn == nil {
					return
				}
			}
			d.serve(p, conn)
		}()
	}
}

// serve speaks MQTT on a connection until it has ended.
func (d *door) serve(p *place, conn net.Conn) {
	c := newClient(d.hub, conn, p)
	d.mu.Lock()
	p.client = c
	if d.ended { // and close did not see it
		p.interrupt()
	}
	d.mu.Unlock()
	c.serve(d.ctx)
}

// interrupt ends a connection that has not sent its CONNECT packet.
func (p *place) interrupt() {
	if p.client == nil {
		_ = p.socket.SetReadDeadline(time.Unix(1, 0))
		return
	}
	p.door.hub.mu.Lock()
	defer p.door.hub.mu.Unlock()
	p.client.close(0)
}

// handshake makes a TLS connection of a socket; nil, and the socket closed, if that fails.
func (d *door) handshake(socket net.Conn, secure func() (*tls.Config, error)) net.Conn {
	config, err := secure()
	if err != nil {
		_ = socket.Close()
		d.log.warn("certificate", "mqtt connection refused: there is no certificate to use", "error", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(d.ctx, connectTimeout)
	defer cancel()
	conn := tls.Server(socket, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = socket.Close()
		d.log.warn("handshake", "mqtt connection refused: no TLS", "remote", socket.RemoteAddr().String(), "error", err)
		return nil
	}
	return conn
}

// ready reports whether a connection would be served now. Before Run it waits a
// little, as connections to the TCP port do.
func (d *door) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case <-d.serving:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx != nil && !d.ended
}

// admit gives a connection its place, for leave to be called with; nil, and the socket closed, if there is none.
func (d *door) admit(socket net.Conn) *place {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || d.ended || len(d.inside) >= maxSockets && !d.makeRoom() {
		_ = socket.Close()
		if !d.ended {
			d.log.warn("full", "mqtt connection refused: too many", "remote", socket.RemoteAddr().String())
		}
		return nil
	}
	p := &place{door: d, socket: socket, since: time.Now()}
	d.inside[p] = struct{}{}
	d.all.Add(1)
	return p
}

// makeRoom closes the connection that is longest without a CONNECT packet.
func (d *door) makeRoom() bool {
	var oldest *place
	for p := range d.inside {
		if !p.kept && (oldest == nil || p.since.Before(oldest.since)) {
			oldest = p
		}
	}
	if oldest == nil {
		return false
	}
	delete(d.inside, oldest)
	oldest.interrupt()
	d.log.warn("full", "mqtt connection closed before it sent CONNECT: too many others want to connect", "remote", oldest.socket.RemoteAddr().String())
	return true
}

// keep says that the connection has sent its CONNECT packet.
func (p *place) keep() {
	p.door.mu.Lock()
	defer p.door.mu.Unlock()
	p.kept = true
}

func (d *door) leave(p *place) {
	d.mu.Lock()
	delete(d.inside, p)
	d.mu.Unlock()
	d.all.Done()
}

// close ends everything: no more connections come in, the clients are told, every
// connection is closed, and all goroutines have ended when it returns.
func (d *door) close() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.hub.sendAway()
	d.mu.Lock()
	for p := range d.inside {
		if !p.kept {
			p.interrupt()
		}
	}
	d.mu.Unlock()
	d.all.Wait()
}
