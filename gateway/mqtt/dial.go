package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
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
	d := dialer{url: u}
	if d.kind, err = kindOf(u.Scheme); err != nil {
		return nil, err
	}
	if d.kind.tls {
		if d.tls, err = configure(secure, u.Hostname()); err != nil {
			return nil, err
		}
	}
	w, err := d.dial(ctx)
	if err != nil {
		return nil, d.explain(ctx, err)
	}
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

// configure returns the TLS configuration of a connection to host.
func configure(secure func() (*tls.Config, error), host string) (*tls.Config, error) {
	c := &tls.Config{}
	if secure != nil {
		given, err := secure()
		if err != nil {
			return nil, err
		}
		c = given.Clone()
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c, nil
}

// dialer makes one connection.
type dialer struct {
	url   *url.URL
	kind  kind
	tls   *tls.Config // nil without TLS
	stage string      // what is being done, for the error of a deadline
	tcp   *socket     // once there is one
}

func (d *dialer) dial(ctx context.Context) (w *wire, err error) {
	defer func() {
		if err != nil && d.tcp != nil {
			d.tcp.Close()
		}
	}()
	if d.kind.web {
		return d.web(ctx)
	}
	conn, err := d.connect(ctx, d.url.Host)
	if err != nil || d.tls == nil {
		return newWire(conn, d.tcp, nil), err
	}
	d.stage = "the TLS handshake"
	secured := tls.Client(conn, d.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return newWire(secured, d.tcp, nil), nil
}

// connect opens the TCP connection.
func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	d.stage = "the TCP connection"
	conn, err := (&net.Dialer{KeepAlive: tcpKeepAlive}).DialContext(ctx, "tcp", address) // Go sets TCP_NODELAY
	if err != nil {
		return nil, err
	}
	d.tcp = newSocket(conn)
	return d.tcp, nil
}

// web opens a WebSocket [MQTT 3.1.1, 6].
func (d *dialer) web(ctx context.Context) (*wire, error) {
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   d.tls,
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			conn, err := d.connect(ctx, address)
			d.stage = "the WebSocket handshake"
			return conn, err
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
			return nil, &refusal{reply}
		}
		return nil, err
	}
	conn := websocket.NetConn(context.Background(), c, websocket.MessageBinary) // [MQTT-6.0.0-1]
	return newWire(conn, d.tcp, func() { _ = c.Close(websocket.StatusNormalClosure, "") }), nil
}

// refusal is an HTTP reply in place of a WebSocket.
type refusal struct{ reply *http.Response }

func (r *refusal) Error() string { return "HTTP " + r.reply.Status }

// explain puts the reason why a connection was not made into words.
func (d *dialer) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer in time: %s is not finished", d.url.Host, d.stage)
	}
	return dialError(err)
}

// dialError puts the network's reason into a sentence that says what to do.
func dialError(err error) error {
	var network *net.OpError
	if errors.As(err, &network) && !strings.Contains(network.Op, "remote") {
		return network
	}
	return err
}
