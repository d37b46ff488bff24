package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// tcpKeepAlive finds a peer that is gone where MQTT's own pings are far apart.
const tcpKeepAlive = 30 * time.Second

// dial connects to a broker at mqtt, mqtts, ws or wss; ctx bounds all of it, with the
// handshakes of TLS and WebSocket. It asks secure for the TLS configuration if the
// URL wants TLS. Its errors are sentences for users. The caller closes the wire.
//
// Only ws and wss go through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name,
// as other programs' HTTP does.
func dial(ctx context.Context, address string, secure func() (*tls.Config, error)) (*wire, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("the broker's address is no URL with a host: write it as in mqtts://broker.example:8883")
	}
	d := &dialer{url: u}
	if d.kind, err = kindOf(u.Scheme); err != nil {
		return nil, err
	}
	var warning error
	if d.kind.tls {
		if d.tls, warning, err = configure(secure, u.Hostname()); err != nil {
			return nil, err
		}
	}
	w, err := d.dial(ctx)
	if err != nil {
		d.abandon()
		return nil, d.explain(ctx, err)
	}
	w.warning = warning
	return w, nil
}

// kind is how MQTT is carried.
type kind struct{ tls, web bool }

// kindOf knows the schemes that package config writes, and the aliases of other programs.
func kindOf(scheme string) (kind, error) {
	switch scheme {
	case "mqtt", "tcp":
		return kind{}, nil
	case "mqtts", "ssl", "tls":
		return kind{tls: true}, nil
	case "ws":
		return kind{web: true}, nil
	case "wss":
		return kind{tls: true, web: true}, nil
	}
	return kind{}, fmt.Errorf("the broker's address begins with %q: write mqtt://, mqtts://, ws:// or wss://", scheme+"://")
}

// configure returns the TLS configuration of a connection to host. What is wrong with
// one that can be used all the same is a warning.
func configure(secure func() (*tls.Config, error), host string) (c *tls.Config, warning, err error) {
	c = &tls.Config{}
	if secure != nil {
		given, err := secure()
		if given == nil {
			return nil, nil, err
		}
		c, warning = given.Clone(), err
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c, warning, nil
}

// dialer makes one connection.
type dialer struct {
	url  *url.URL
	kind kind
	tls  *tls.Config // nil without TLS

	mu    sync.Mutex // the HTTP client connects in a goroutine of its own
	stage string     // what is being done, for the error of a deadline
	tcp   *socket    // once there is one
}

func (d *dialer) dial(ctx context.Context) (*wire, error) {
	if d.kind.web {
		return d.web(ctx)
	}
	tcp, err := d.connect(ctx, d.url.Host)
	if err != nil {
		return nil, err
	}
	if d.tls == nil {
		return newWire(tcp, tcp, nil), nil
	}
	d.at("the TLS handshake")
	secured := tls.Client(tcp, d.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return newWire(secured, tcp, nil), nil
}

// connect opens the TCP connection.
func (d *dialer) connect(ctx context.Context, address string) (*socket, error) {
	d.at("the TCP connection")
	keepAlive := net.KeepAliveConfig{Enable: true, Idle: tcpKeepAlive, Interval: tcpKeepAlive / 3, Count: 3}
	conn, err := (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext(ctx, "tcp", address) // Go sets TCP_NODELAY
	if err != nil {
		return nil, err
	}
	tcp, err := newSocket(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	d.mu.Lock()
	d.tcp = tcp
	d.mu.Unlock()
	return tcp, nil
}

func (d *dialer) at(stage string) {
	d.mu.Lock()
	d.stage = stage
	d.mu.Unlock()
}

// abandon closes what was opened.
func (d *dialer) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tcp != nil {
		_ = d.tcp.Close()
	}
}

// web opens a WebSocket [MQTT 3.1.1, 6].
func (d *dialer) web(ctx context.Context) (*wire, error) {
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   d.tls,
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			tcp, err := d.connect(ctx, address)
			if err != nil {
				return nil, err
			}
			d.at("the WebSocket handshake")
			return tcp, nil
		},
	}
	defer transport.CloseIdleConnections()
	c, reply, err := websocket.Dial(ctx, d.url.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Subprotocols: []string{"mqtt"}, // [MQTT-6.0.0-3]
	})
	if err != nil {
		if reply != nil && reply.StatusCode != http.StatusSwitchingProtocols {
			return nil, refused(reply)
		}
		return nil, err
	}
	conn := websocket.NetConn(context.Background(), c, websocket.MessageBinary) // [MQTT-6.0.0-1]
	d.mu.Lock()
	tcp := d.tcp
	d.mu.Unlock()
	return newWire(conn, tcp, func() { _ = c.Close(websocket.StatusNormalClosure, "") }), nil
}

// explain puts the reason why a connection was not made into words.
func (d *dialer) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &trouble{fmt.Sprintf("%s did not answer in time, %s was not finished: check host, port and firewall", d.url.Host, d.stage), err}
	case endedBy(err):
		return endedEarly(d.stage, false, err)
	}
	return dialError(err)
}
