package configs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// TestNginxWithoutAPort runs the shipped file, byte for byte, on port 443, with the
// libraries that apps have and with what goes wrong without its lines.
func TestNginxWithoutAPort(t *testing.T) {
	node := gatewaytest.Need(t, "node")
	gatewaytest.Need(t, "nginx")
	if !isolated(t) {
		return
	}
	s := newSite(t, "demo")
	s.phoneWithoutNginx()
	s.nginx()
	t.Run("a phone", func(t *testing.T) { s.phoneWithNginx(t) })
	for _, script := range []string{"mqttjs.mjs", "mqttjs-4.1.0.cjs", "paho.mjs"} {
		t.Run(script, func(t *testing.T) { s.node(t, node, script) })
	}
	t.Run("200 kB", func(t *testing.T) { s.large(t) })
	for _, library := range []string{"mqttjs-4.1.0", "paho-1.1.0"} {
		t.Run("200 kB with "+library, func(t *testing.T) { s.largeWith(t, node, library) })
	}
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

// largeWith: likewise with a library, which may send it in pieces.
func (s *site) largeWith(t *testing.T, node, library string) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	c := exec.CommandContext(ctx, node, "../gateway/broker/testdata/apps.cjs", library, "wss://gateway.example/mqtt", "", "")
	c.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.cert, "SIZE=200000")
	out, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(`"same":true`)) {
		t.Errorf("%v\n%s", err, out)
	}
}

// refused: with a mistake in the configuration there is no WebSocket.
func (s *site) refused(t *testing.T, name string, status int) {
	_, response, err := s.connect("wss://" + name + "/mqtt")
	if err == nil || response == nil || response.StatusCode != status {
		t.Errorf("%v, %v, want status %d", err, response, status)
	}
}

// idle: where the timeout is three seconds the connection is cut; with ours it is not.
func (s *site) idle(t *testing.T) {
	cut, _, err := s.connect("wss://three-seconds.example/mqtt")
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
		t.Errorf("after three seconds without a packet: %v, want the connection cut", err)
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
	s := newSite(t, "demo")
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

// TestNginxBeforeTheConsole: with users in http the page and the API work at the address
// that the world sees, for those who have the password and for pages of that address.
func TestNginxBeforeTheConsole(t *testing.T) {
	gatewaytest.Need(t, "nginx")
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	config := "gateway: w\ndata_dir: " + dir + "\nbroker: {users: {panel: {password: secret}}}\nhttp: {users: {panel: {password: secret}}}\nbuses: {b: {tcp: '127.0.0.1:1'}}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "gateway", "-c", file)
	s.nginx()
	ask := s.session()
	const login, view, request = "POST /api/login", "GET /api/view", "POST /api/bus/b/request"
	for _, c := range []struct {
		what, body, origin string
		status             int
	}{
		{"GET /", "", "", http.StatusOK},
		{view, "", "", http.StatusUnauthorized},
		{request, "010400010001", "", http.StatusUnauthorized},
		{login, `{"user":"panel","password":"guess"}`, "https://gateway.example", http.StatusUnauthorized},
		{login, `{"user":"panel","password":"secret"}`, "https://evil.example", http.StatusForbidden},
		{login, `{"user":"panel","password":"secret"}`, "https://gateway.example", http.StatusOK},
		{view, "", "", http.StatusOK},
		{view, "", "https://evil.example", http.StatusForbidden},
		{request, "010400010001", "https://evil.example", http.StatusForbidden},
		{request, "010400010001", "https://gateway.example", http.StatusBadGateway}, // there is no device
	} {
		if got := ask(c.what, c.body, c.origin); got != c.status {
			t.Errorf("%s from %q: status %d, want %d", c.what, c.origin, got, c.status)
		}
	}
}
