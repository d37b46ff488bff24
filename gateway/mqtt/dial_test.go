package mqtt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	pahov5 "github.com/eclipse/paho.golang/paho"
	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

const testPatience = 10 * time.Second

// brokers is a mosquitto with a listener of each kind, behind an nginx too.
type brokers struct {
	server                      *gatewaytest.Server
	authority                   *authority
	tls, mutual, secureWeb, web string // addresses
}

func startBrokers(t testing.TB) *brokers {
	t.Helper()
	b := &brokers{authority: newAuthority(t, "test authority")}
	server := b.authority.sign("broker", nil)
	var lines []string
	listen := func(more ...string) string {
		port := gatewaytest.FreePort(t)
		lines = append(lines, fmt.Sprintf("listener %d 127.0.0.1", port))
		lines = append(append(lines, more...), "certfile "+server.cert, "keyfile "+server.key)
		return fmt.Sprintf("127.0.0.1:%d", port)
	}
	b.tls = listen("protocol mqtt")
	b.mutual = listen("protocol mqtt", "cafile "+b.authority.file, "require_certificate true")
	b.secureWeb = listen("protocol websockets")
	b.server = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{WebSocket: true, Lines: lines})
	b.web = b.server.WSAddr
	for _, address := range []string{b.tls, b.mutual, b.secureWeb} {
		awaitListener(t, address)
	}
	return b
}

func awaitListener(t testing.TB, address string) {
	t.Helper()
	for end := time.Now().Add(testPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", address)
}

// startNginx runs the shipped configuration in front of a WebSocket listener.
func startNginx(t testing.TB, server pair, backend string) (address string) {
	t.Helper()
	program := gatewaytest.Need(t, "nginx")
	shipped, err := os.ReadFile("../../configs/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address = fmt.Sprintf("127.0.0.1:%d", gatewaytest.FreePort(t))
	config := strings.NewReplacer(
		"listen 443 ssl;", "listen "+address+" ssl;", "listen [::]:443 ssl;", "",
		"/etc/ssl/gateway.example.pem", server.cert, "/etc/ssl/private/gateway.example.key", server.key,
		"http://127.0.0.1:8080", "http://"+backend,
	).Replace(string(shipped))
	whole := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	writeFile(t, dir+"/nginx.conf", []byte(whole+config+"}\n"))
	gatewaytest.StartProgram(t, program, "-c", dir+"/nginx.conf", "-g", "daemon off;")
	awaitListener(t, address)
	return address
}

// secureWith is what TLS returns for files.
func secureWith(t testing.TB, ca string, own pair, name string) func() (*tls.Config, error) {
	t.Helper()
	c, err := newCredentials(ca, own.cert, own.key, name)
	if err != nil {
		t.Fatal(err)
	}
	return c.config
}

func dialWithin(limit time.Duration, address string, secure func() (*tls.Config, error)) (*wire, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return dial(ctx, address, secure)
}

// pahoClient connects with paho.mqtt.golang over a wire.
func pahoClient(t testing.TB, address string, secure func() (*tls.Config, error)) (paho.Client, chan []byte) {
	t.Helper()
	got := make(chan []byte, 16)
	o := paho.NewClientOptions().AddBroker(address).SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(testPatience).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { got <- m.Payload() }).
		SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
			return dialWithin(testPatience, u.String(), secure)
		})
	c := paho.NewClient(o)
	done(t, c.Connect())
	return c, got
}

func done(t testing.TB, token paho.Token) {
	t.Helper()
	if !token.WaitTimeout(testPatience) {
		t.Fatal("no answer from the broker")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, in chan []byte, want []byte) {
	t.Helper()
	select {
	case got := <-in:
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back changed from %d", len(got), len(want))
		}
	case <-time.After(testPatience):
		t.Fatal("nothing came back")
	}
}

// exchange sends small and large messages through the broker and back. Mosquitto takes
// what comes over a WebSocket at 4 KiB in 100 ms if it is not small.
func exchange(t *testing.T, address string, secure func() (*tls.Config, error)) {
	t.Helper()
	sizes := []int{0, 1, 125, 126, 3000} // 126: longer WebSocket header
	if strings.HasPrefix(address, "mqtt") {
		sizes = append(sizes, maxPending-1, maxPending, 3*maxPending+17)
	}
	c, got := pahoClient(t, address, secure)
	defer c.Disconnect(250)
	done(t, c.Subscribe("wire/test", 2, nil))
	for _, size := range sizes {
		payload := make([]byte, size)
		_, _ = rand.Read(payload)
		for qos := range byte(3) {
			done(t, c.Publish("wire/test", qos, false, payload))
			receive(t, got, payload)
		}
	}
}

func TestExchangeOverEachCarrier(t *testing.T) {
	b := startBrokers(t)
	client := b.authority.sign("client", nil)
	nginx := startNginx(t, b.authority.sign("web", nil), b.web)
	trusting := secureWith(t, b.authority.file, pair{}, "")
	for name, c := range map[string]struct {
		url    string
		secure func() (*tls.Config, error)
	}{
		"mqtt":                     {"mqtt://" + b.server.Addr, nil},
		"mqtts, the CA only":       {"mqtts://" + b.tls, trusting},
		"mqtts, mutual":            {"mqtts://" + b.mutual, secureWith(t, b.authority.file, client, "")},
		"mqtts, a name of its own": {"mqtts://" + b.tls, secureWith(t, b.authority.file, pair{}, "localhost")},
		"ws":                       {"ws://" + b.web + "/mqtt", nil},
		"wss":                      {"wss://" + b.secureWeb + "/mqtt", trusting},
		"wss through nginx":        {"wss://" + nginx + "/mqtt", trusting},
	} {
		t.Run(name, func(t *testing.T) { exchange(t, c.url, c.secure) })
		t.Run(name+", MQTT 5", func(t *testing.T) { exchangeV5(t, c.url, c.secure) })
	}
}

// exchangeV5 does with paho.golang what exchange does, from several goroutines.
func exchangeV5(t *testing.T, address string, secure func() (*tls.Config, error)) {
	t.Helper()
	const publishers, each = 4, 25
	w, err := dialWithin(testPatience, address, secure)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	got := make(chan string, publishers*each)
	c := pahov5.NewClient(pahov5.ClientConfig{Conn: w, OnPublishReceived: []func(pahov5.PublishReceived) (bool, error){
		func(r pahov5.PublishReceived) (bool, error) { got <- string(r.Packet.Payload); return true, nil },
	}})
	if _, err := c.Connect(ctx, &pahov5.Connect{ClientID: "v5", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(&pahov5.Disconnect{})
	if _, err := c.Subscribe(ctx, &pahov5.Subscribe{Subscriptions: []pahov5.SubscribeOptions{{Topic: "wire/v5", QoS: 2}}}); err != nil {
		t.Fatal(err)
	}
	for p := range publishers {
		go func() {
			for i := range each {
				_, _ = c.Publish(ctx, &pahov5.Publish{Topic: "wire/v5", QoS: byte(i % 3), Payload: fmt.Appendf(nil, "%d/%d", p, i)})
			}
		}()
	}
	seen := map[string]bool{}
	for len(seen) < publishers*each {
		select {
		case s := <-got:
			seen[s] = true
		case <-ctx.Done():
			t.Fatalf("%d of %d messages came back", len(seen), publishers*each)
		}
	}
}

// TestErrorsOfRealServersSayWhatToDo: one sentence for each mistake that users make.
func TestErrorsOfRealServersSayWhatToDo(t *testing.T) {
	b := startBrokers(t)
	stranger := newAuthority(t, "stranger")
	nginx := startNginx(t, b.authority.sign("web", nil), b.web)
	gone := startNginx(t, b.authority.sign("web", nil), "127.0.0.1:1")
	trusting := secureWith(t, b.authority.file, pair{}, "")
	for name, c := range map[string]struct {
		url    string
		secure func() (*tls.Config, error)
		want   string
	}{
		"unknown authority":           {"mqtts://" + b.tls, secureWith(t, stranger.file, pair{}, ""), "set mqtt.tls.ca"},
		"unknown authority, system's": {"mqtts://" + b.tls, nil, "set mqtt.tls.ca"},
		"unknown authority, wss":      {"wss://" + b.secureWeb + "/mqtt", nil, "set mqtt.tls.ca"},
		"wrong name":                  {"mqtts://" + b.tls, secureWith(t, b.authority.file, pair{}, "other.example"), "not for other.example but for localhost, 127.0.0.1"},
		"no client certificate":       {"mqtts://" + b.mutual, trusting, "set mqtt.tls.cert and mqtt.tls.key"},
		"stranger's certificate":      {"mqtts://" + b.mutual, secureWith(t, b.authority.file, stranger.sign("x", nil), ""), "refused the client certificate"},
		"TLS to a plain port":         {"mqtts://" + b.server.Addr, trusting, "mqtt:// for one without TLS"},
		"wss to a plain port":         {"wss://" + b.web + "/mqtt", trusting, "mqtt:// or ws://"},
		"plain to a TLS port":         {"mqtt://" + b.tls, nil, "mqtts://"},
		"plain to nginx":              {"mqtt://" + nginx, nil, "begin mqtt.url with ws://"},
		"plain to a WebSocket":        {"mqtt://" + b.web, nil, "ws://"},
		"WebSocket to MQTT":           {"ws://" + b.server.Addr + "/mqtt", nil, "ws:// and wss:// for WebSocket"},
		"ws to wss, nginx":            {"ws://" + nginx + "/mqtt", nil, "begin mqtt.url with wss://"},
		"ws to wss, mosquitto":        {"ws://" + b.secureWeb + "/mqtt", nil, "wss://"},
		"wrong path":                  {"wss://" + nginx + "/other", trusting, "no WebSocket, the server answers HTTP 5"},
		"broker behind is away":       {"wss://" + gone + "/mqtt", trusting, "HTTP 502 Bad Gateway: the web server does not reach the broker"},
		"nobody there":                {"mqtt://127.0.0.1:1", nil, "127.0.0.1:1: connection refused: check the port"},
		"nobody there, wss":           {"wss://127.0.0.1:1/mqtt", nil, "127.0.0.1:1: connection refused: check the port"},
		"no such host":                {"mqtt://no-such-host.invalid:1883", nil, "no-such-host.invalid"},
	} {
		t.Run(name, func(t *testing.T) { says(t, c.url, c.secure, c.want) })
	}
}

// says connects, with CONNECT where the connection alone can be made, and wants an error.
func says(t *testing.T, address string, secure func() (*tls.Config, error), want string) {
	t.Helper()
	w, err := dialWithin(testPatience, address, secure)
	if err == nil {
		defer w.Close()
		_ = w.SetReadDeadline(time.Now().Add(testPatience))
		_, _ = w.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x"))
		_, err = w.Read(make([]byte, 1))
	}
	if err == nil {
		t.Fatal("the connection was made")
	}
	t.Log(err)
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q, want one line with %q", err, want)
	}
}

// serve accepts connections until the test ends and gives each to handle.
func serve(t testing.TB, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

// serveTLS finishes the handshake and waits for the client to go.
func serveTLS(t testing.TB, config *tls.Config) (address string) {
	return serve(t, func(c net.Conn) {
		s := tls.Server(c, config)
		_ = c.SetDeadline(time.Now().Add(testPatience))
		_, _ = s.Read(make([]byte, 1024))
		_ = s.Close()
	})
}

func TestCertificatesThatAreNotGood(t *testing.T) {
	a := newAuthority(t, "test authority")
	trusting := secureWith(t, a.file, pair{}, "")
	with := func(change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.sign("broker", change).load(t)}}
	}
	old := with(nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	wanting := with(nil)
	wanting.ClientAuth, wanting.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
	wanting12 := wanting.Clone()
	wanting12.MaxVersion = tls.VersionTLS12
	day := func(hours int) string {
		return time.Now().Add(time.Duration(hours) * time.Hour).UTC().Format("2006-01-02")
	}
	for name, c := range map[string]struct {
		server *tls.Config
		want   string
	}{
		"expired":       {with(expired), "CN=broker of the broker expired on " + day(-24)},
		"not yet valid": {with(early), "valid only from " + day(24)},
		"wrong name":    {with(elsewhere), "not for 127.0.0.1 but for broker.example, mqtt.example: correct the host in mqtt.url"},
		"no name":       {with(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }), "for broker in its common name only"},
		"not a server": {with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			"is not one for servers"},
		"TLS 1.1":                        {old, "only TLS older than 1.2"},
		"client certificate":             {wanting, "set mqtt.tls.cert and mqtt.tls.key"},
		"client certificate, in TLS 1.2": {wanting12, "see mqtt.tls.cert and mqtt.tls.key"},
	} {
		t.Run(name, func(t *testing.T) { says(t, "mqtts://"+serveTLS(t, c.server), trusting, c.want) })
		t.Run(name+", wss", func(t *testing.T) { says(t, "wss://"+serveTLS(t, c.server)+"/mqtt", trusting, c.want) })
	}
}

// TestServersThatDoNotAnswer: the context bounds every part of connecting.
func TestServersThatDoNotAnswer(t *testing.T) {
	const limit = 300 * time.Millisecond
	a := newAuthority(t, "test authority")
	trusting := secureWith(t, a.file, pair{}, "")
	silent := func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(2 * limit))
		_, _ = c.Read(make([]byte, 1024))
		waitGone(c)
	}
	dripping := func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(testPatience))
		for b := range bytes.SplitSeq([]byte("\x16\x03\x03\x40\x00\x02"+strings.Repeat("\x00", 1000)), nil) {
			if _, err := c.Write(b); err != nil {
				return
			}
			time.Sleep(limit / 30)
		}
	}
	drippingHTTP := func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(testPatience))
		hear(c)
		_, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		for ; err == nil; time.Sleep(limit / 30) {
			_, err = c.Write([]byte("X: y\r\n"))
		}
	}
	halfWeb := func(c net.Conn) { // TLS, then nothing
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{a.sign("broker", nil).load(t)}})
		_ = s.Handshake()
		waitGone(c)
	}
	for name, c := range map[string]struct {
		scheme string
		handle func(net.Conn)
		want   string
	}{
		"silent, mqtts":        {"mqtts", silent, "did not answer in time, the TLS handshake was not finished"},
		"silent, ws":           {"ws", silent, "did not answer in time, the WebSocket handshake was not finished"},
		"silent, wss":          {"wss", silent, "did not answer in time, the WebSocket handshake was not finished"},
		"silent after TLS":     {"wss", halfWeb, "did not answer in time, the WebSocket handshake was not finished"},
		"drips, mqtts":         {"mqtts", dripping, "did not answer in time"},
		"drips a header, ws":   {"ws", drippingHTTP, "did not answer in time"},
		"resets, mqtts":        {"mqtts", reset, "ended the connection during "},
		"resets, ws":           {"ws", reset, "ended the connection during "},
		"resets, wss":          {"wss", reset, "ended the connection during "},
		"resets, mqtt":         {"mqtt", reset, "ended the connection during "},
		"closes, mqtts":        {"mqtts", hear, "ended the connection during the "},
		"closes, ws":           {"ws", hear, "ended the connection during the "},
		"closes, mqtt":         {"mqtt", hear, "ended the connection during the greeting"},
		"another protocol":     {"mqtt", banner, "no MQTT is spoken at this port, the answer begins with \"SSH-2.0-"},
		"another protocol, ws": {"ws", banner, "no HTTP is spoken at this port"},
		"mqtts to SSH":         {"mqtts", banner, "no TLS is spoken at this port"},
	} {
		t.Run(name, func(t *testing.T) {
			address := c.scheme + "://" + serve(t, c.handle)
			began := time.Now()
			w, err := dialWithin(limit, address, trusting)
			if err == nil {
				defer w.Close()
				_, _ = w.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x"))
				_, err = w.Read(make([]byte, 1))
			}
			if took := time.Since(began); took > limit+time.Second {
				t.Errorf("it took %v", took)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func waitGone(c net.Conn) {
	for {
		if _, err := c.Read(make([]byte, 1024)); err != nil {
			return
		}
	}
}

func hear(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

func reset(c net.Conn) {
	hear(c)
	_ = c.(*net.TCPConn).SetLinger(0)
}

func banner(c net.Conn) {
	_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2p1\r\n"))
	waitGone(c)
}

func TestCancelledDialSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	address := serve(t, func(c net.Conn) { hear(c); cancel(); waitGone(c) })
	for _, scheme := range []string{"mqtts", "ws", "wss"} {
		if _, err := dial(ctx, scheme+"://"+address, nil); err != context.Canceled {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for address, want := range map[string]string{
		"":                   "no URL with a host",
		"broker:1883":        "no URL with a host",
		"http://broker:80/":  "write mqtt://",
		"mqtt://":            "no URL with a host",
		"mqtt://[::1":        "no URL with a host",
		"unix:///run/socket": "no URL with a host",
	} {
		if _, err := dial(context.Background(), address, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
