package broker

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// textReason is what a client is told that sends MQTT as text.
const textReason = "MQTT goes in binary WebSocket messages, and this one was text: use an MQTT library, such as MQTT.js"

// WebSocket serves MQTT over WebSocket, for the path /mqtt of an HTTP server. The
// subprotocol is mqtt, mqttv3.1 or none. MQTT packets may be split over messages or
// joined in one; each packet to the client is one message of its own.
//
// To a broker without users, web pages may connect only from this machine, from
// Options.Origins and from the mini-program developer tools: a browser lets any page
// it shows connect to any address, also to 127.0.0.1.
func (b *Broker) WebSocket() http.Handler { return http.HandlerFunc(b.upgrade) }

func (b *Broker) upgrade(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "close")
		http.Error(w, "this is the broker's WebSocket address: connect to it with an MQTT client", http.StatusUpgradeRequired)
		return
	}
	w.Header().Set("Connection", "close") // of a refusal; the peer must not hold it open
	if !b.door.ready(r.Context()) {
		http.Error(w, "the broker takes no connections now", http.StatusServiceUnavailable)
		return
	}
	if origin := r.Header.Get("Origin"); !b.hub.hasUsers() && !b.trusts(origin) {
		http.Error(w, "this broker has no users, so web pages of "+origin+" may not connect", http.StatusForbidden)
		b.log.warn("origin", "mqtt over websocket refused: unknown web page", "origin", origin, "remote", r.RemoteAddr)
		return
	}
	taken := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"mqtt", "mqttv3.1"},
		InsecureSkipVerify: true, // checked above where it matters; users give a password
	})
	if err != nil {
		return // the library has answered
	}
	stream := newStream(ws, taken.socket)
	if p := b.door.admit(stream); p != nil {
		defer b.door.leave(p)
		b.door.serve(p, stream)
	}
}

func (h *hub) hasUsers() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.access.users != nil
}

// trusts reports whether pages of origin may use a broker without users.
func (b *Broker) trusts(origin string) bool {
	if origin == "" {
		return true // not a browser
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	name := u.Hostname()
	if name == "localhost" || name == "servicewechat.com" || slices.Contains(b.pages, u.Host) || slices.Contains(b.pages, name) {
		return true // servicewechat.com: the origin of every mini-program in the developer tools
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// hijacker remembers the socket below a WebSocket, without which an unanswered close takes 5 s.
type hijacker struct {
	http.ResponseWriter
	socket net.Conn
}

// Hijack takes the socket over from the HTTP server.
func (h *hijacker) Hijack() (c net.Conn, rw *bufio.ReadWriter, err error) {
	c, rw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	h.socket = c
	return c, rw, err
}

// stream is a WebSocket as a stream of bytes.
type stream struct {
	ws      *websocket.Conn
	socket  net.Conn        // below it
	ctx     context.Context // of all reads
	cancel  context.CancelFunc
	message io.Reader // the rest of the current message
	closing sync.Once

	mu      sync.Mutex
	reading *time.Timer // ends the connection; nil = no deadline
}

func newStream(ws *websocket.Conn, socket net.Conn) *stream {
	ws.SetReadLimit(-1) // a message is read piece by piece; packets have the limit
	s := &stream{ws: ws, socket: socket}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *stream) LocalAddr() net.Addr  { return s.socket.LocalAddr() }
func (s *stream) RemoteAddr() net.Addr { return s.socket.RemoteAddr() }

// Read returns the next bytes of the stream, across messages.
func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.ws.Reader(s.ctx)
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageBinary {
				s.close(websocket.StatusUnsupportedData, textReason)
				return 0, net.ErrClosed
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if err == io.EOF {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends the packets in p, one in a message: some clients count on that.
func (s *stream) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n := packetSize(p[written:])
		if err := s.ws.Write(context.Background(), websocket.MessageBinary, p[written:written+n]); err != nil {
			return written, err
		}
		written += n
	}
	return len(p), nil
}

// writePackets sends a batch; the large packet in it is one message of several frames.
func (s *stream) writePackets(b batch) error {
	if _, err := s.Write(b.small); err != nil || len(b.head) == 0 {
		return err
	}
	w, err := s.ws.Writer(context.Background(), websocket.MessageBinary)
	if err != nil {
		return err
	}
	for _, part := range [][]byte{b.head, b.payload} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

// Close ends the connection as a WebSocket should, within closeTimeout.
func (s *stream) Close() error {
	s.close(websocket.StatusGoingAway, "the MQTT connection has ended")
	return nil
}

func (s *stream) close(code websocket.StatusCode, reason string) {
	s.closing.Do(func() {
		_ = s.SetReadDeadline(time.Time{})
		stop := time.AfterFunc(closeTimeout, func() { _ = s.socket.Close() })
		defer stop.Stop()
		_ = s.ws.Close(code, reason)
		s.cancel()
	})
}

func (s *stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets when the connection ends if nothing was read by then.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading != nil {
		s.reading.Stop()
		s.reading = nil
	}
	if !t.IsZero() {
		s.reading = time.AfterFunc(time.Until(t), s.cancel)
	}
	return nil
}

// SetWriteDeadline sets when writing must be done, also what is being written.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.socket.SetWriteDeadline(t) }
