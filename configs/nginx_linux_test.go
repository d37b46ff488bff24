package configs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"modferry/gateway/gatewaytest"
)

// Variants of the shipped server: each has a name of its own, and a mistake that the
// shipped one does not make.
var variants = map[string]func(server string) string{
	"no-headers.example": func(s string) string {
		return without(s, `proxy_set_header Upgrade .*`, `proxy_set_header Connection .*`)
	},
	"default-timeouts.example": func(s string) string { return without(s, `proxy_(read|send)_timeout .*`) },
	"one-second.example":       func(s string) string { return strings.ReplaceAll(s, "3600s", "1s") },
	"to-https.example":         func(s string) string { return strings.ReplaceAll(s, "proxy_pass http:", "proxy_pass https:") },
	"old-tls.example": func(s string) string { // at a port of its own: the first server of a port decides
		s = strings.ReplaceAll(s, "443 ssl;", "444 ssl;")
		return strings.Replace(s, "ssl_protocols TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;", 1)
	},
}

func without(text string, patterns ...string) string {
	for _, p := range patterns {
		text = regexp.MustCompile(`(?m)^\s*`+p+`\n`).ReplaceAllString(text, "")
	}
	return text
}

// site is a gateway on 127.0.0.1 and who calls it through nginx.
type site struct {
	t     *testing.T
	dir   string
	cert  string
	trust *x509.CertPool

	clients byte // connected so far
}

// newSite starts the gateway of "modferry demo" on its usual ports, and puts names and
// certificates where the shipped server expects them.
func newSite(t *testing.T) *site {
	dir := t.TempDir()
	names := make([]string, 0, len(variants))
	for name := range variants {
		names = append(names, name)
	}
	cert, key := selfSigned(t, dir, names...)
	hosts := filepath.Join(dir, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost gateway.example "+strings.Join(names, " ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "--bind", hosts, "/etc/hosts")
	run(t, "mount", "-t", "tmpfs", "none", "/etc/ssl")
	run(t, "install", "-D", cert, "/etc/ssl/gateway.example.pem")
	run(t, "install", "-D", key, "/etc/ssl/private/gateway.example.key")
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, cert: cert, trust: x509.NewCertPool()}
	s.trust.AppendCertsFromPEM(pem)
	gatewaytest.StartProgram(t, os.Getenv(isolatedBinary), "demo", "--json").Line("{")
	return s
}

// nginx starts nginx with the shipped server as it is, and the variants beside it.
func (s *site) nginx() {
	s.t.Helper()
	whole := "user root;\npid " + s.dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += kind + "_temp_path " + s.dir + "/" + kind + ";\n"
	}
	shipped := text(s.t, "nginx.conf", "")
	whole += shipped
	for name, change := range variants {
		server := change(shipped)
		if server == shipped {
			s.t.Fatalf("%s is as what is shipped", name)
		}
		whole += strings.ReplaceAll(server, "server_name gateway.example;", "server_name "+name+";")
	}
	file := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole+"}\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	gatewaytest.StartProgram(s.t, gatewaytest.Need(s.t, "nginx"), "-c", file, "-g", "daemon off;")
	await(s.t, "127.0.0.1:443")
}

// connect connects MQTT over WebSocket as a raw client, with no keep alive.
func (s *site) connect(url string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.trust}}
	c, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{"mqtt"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		return nil, response, err
	}
	s.t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(1 << 20)
	connect := []byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")
	s.clients++
	connect[len(connect)-1] += s.clients // a client id of its own
	if got := s.exchange(c, connect); !bytes.Equal(got, []byte{0x20, 2, 0, 0}) {
		s.t.Fatalf("%s: got % x, want CONNACK", url, got)
	}
	return c, response, nil
}

// exchange sends one WebSocket message and returns the next.
func (s *site) exchange(c *websocket.Conn, packet []byte) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageBinary, packet); err != nil {
		s.t.Fatal(err)
	}
	_, got, err := c.Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// ping: the connection is there, from end to end.
func (s *site) ping(c *websocket.Conn) {
	s.t.Helper()
	if got := s.exchange(c, []byte{0xC0, 0}); !bytes.Equal(got, []byte{0xD0, 0}) {
		s.t.Errorf("got % x, want PINGRESP", got)
	}
}

// TestNginxWithoutAPort runs the shipped file, byte for byte, on port 443, with the
// libraries that apps have and with what goes wrong without its lines.
func TestNginxWithoutAPort(t *testing.T) {
	node := gatewaytest.Need(t, "node")
	gatewaytest.Need(t, "nginx")
	if !isolated(t) {
		return
	}
	s := newSite(t)
	s.phoneWithoutNginx()
	s.nginx()
	t.Run("a phone", func(t *testing.T) { s.phoneWithNginx(t) })
	for _, script := range []string{"mqttjs.mjs", "mqttjs-4.1.0.cjs", "paho.mjs"} {
		t.Run(script, func(t *testing.T) { s.node(t, node, script) })
	}
	t.Run("200 kB", func(t *testing.T) { s.large(t) })
	t.Run("without the headers of an upgrade", func(t *testing.T) { s.refused(t, "no-headers.example", http.StatusUpgradeRequired) })
	t.Run("proxy_pass https to a plain port", func(t *testing.T) { s.refused(t, "to-https.example", http.StatusBadGateway) })
	t.Run("idle", func(t *testing.T) { s.idle(t) })
	t.Run("TLS 1.1", func(t *testing.T) { s.oldTLS(t) })
	t.Run("other paths", func(t *testing.T) { s.pages(t) })
}

// dialAsPhone connects as Android's mini-programs do: to 443, whatever the address says.
func (s *site) dialAsPhone() error {
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: s.trust, ServerName: "gateway.example"}}
	c, err := dialer.DialContext(s.t.Context(), "tcp", "gateway.example:443") // of wss://gateway.example:8084/mqtt
	if err == nil {
		c.Close()
	}
	return err
}

// phoneWithoutNginx: a broker at another port alone cannot be reached from there.
func (s *site) phoneWithoutNginx() {
	s.t.Helper()
	if err := s.dialAsPhone(); !errors.Is(err, syscall.ECONNREFUSED) {
		s.t.Fatalf("before nginx runs a phone gets %v, want a refused connection", err)
	}
}

func (s *site) phoneWithNginx(t *testing.T) {
	if err := s.dialAsPhone(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.connect("wss://gateway.example/mqtt"); err != nil {
		t.Error(err)
	}
}

// node runs one of the examples, with the address that an app has.
func (s *site) node(t *testing.T, node, script string) {
	const examples = "../examples/node"
	if _, err := os.Stat(examples + "/node_modules"); err != nil {
		gatewaytest.Missing(t, "what examples/node/package.json names")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	c := exec.CommandContext(ctx, node, script, "wss://gateway.example/mqtt")
	c.Dir = examples
	c.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.cert, "CLIENT_ID=behind-nginx")
	out, err := c.CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?mi)^reply 010404`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// large: a message of 200 kB in one WebSocket frame comes back in one.
func (s *site) large(t *testing.T) {
	c, _, err := s.connect("wss://gateway.example/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.exchange(c, []byte("\x82\x06\x00\x01\x00\x01a\x00")); got[0] != 0x90 {
		t.Fatalf("got % x, want SUBACK", got)
	}
	body := append([]byte("\x00\x01a"), bytes.Repeat([]byte("0123456789"), 20_000)...)
	publish := append(binary.AppendUvarint([]byte{0x30}, uint64(len(body))), body...) // MQTT's lengths are such varints
	if got := s.exchange(c, publish); !bytes.Equal(got, publish) {
		t.Errorf("of %d bytes came back %d", len(publish), len(got))
	}
}

// refused: with a mistake in the configuration there is no WebSocket.
func (s *site) refused(t *testing.T, name string, status int) {
	_, response, err := s.connect("wss://" + name + "/mqtt")
	if err == nil || response == nil || response.StatusCode != status {
		t.Errorf("%v, %v, want status %d", err, response, status)
	}
}

// idle: where the timeout is a second the connection is cut; with ours it is not.
func (s *site) idle(t *testing.T) {
	cut, _, err := s.connect("wss://one-second.example/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := s.connect("wss://gateway.example/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := cut.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("after a second without a packet: %v, want the connection cut", err)
	}
	s.ping(kept)
}

// oldTLS: only the shipped line refuses what the variant still speaks.
func (s *site) oldTLS(t *testing.T) {
	for address, want := range map[string]bool{"old-tls.example:444": true, "gateway.example:443": false} {
		name, _, _ := net.SplitHostPort(address)
		old := &tls.Config{RootCAs: s.trust, ServerName: name, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		c, err := tls.Dial("tcp", address, old)
		if err == nil {
			c.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: TLS 1.1: %v, accepted should be %v", name, err, want)
		}
	}
}

// pages: what has no users shows nothing to the world.
func (s *site) pages(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.trust}, DisableKeepAlives: true}}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/mqtt": http.StatusUpgradeRequired, "/mqtt/": http.StatusForbidden, "/": http.StatusForbidden} {
		r, err := client.Get("https://gateway.example" + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, r.Status, want)
		}
	}
}

// TestNginxHoldsIdleConnections takes as long as nginx's default, 60 s, and a little more.
func TestNginxHoldsIdleConnections(t *testing.T) {
	if testing.Short() || os.Getenv("MODFERRY_REAL") != "1" {
		t.Skip(`over a minute: "make test" runs it`)
	}
	gatewaytest.Need(t, "nginx")
	if !isolated(t) {
		return
	}
	s := newSite(t)
	s.nginx()
	start := time.Now()
	kept, _, err := s.connect("wss://gateway.example/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	cut, _, err := s.connect("wss://default-timeouts.example/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, _, err := cut.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("with nginx's own timeout: %v, want the connection cut", err)
	}
	t.Logf("nginx's own timeout cut the connection after %v", time.Since(start).Round(time.Second))
	<-time.After(time.Until(start.Add(66 * time.Second)))
	s.ping(kept)
	t.Logf("ours is there after %v", time.Since(start).Round(time.Second))
}
