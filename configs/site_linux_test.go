package configs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
	"three-seconds.example":    func(s string) string { return strings.ReplaceAll(s, "3600s", "3s") },
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

// newSite runs modferry with args, and puts names and certificates where the shipped
// server expects them.
func newSite(t *testing.T, args ...string) *site {
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
	gatewaytest.StartProgram(t, os.Getenv(isolatedBinary), args...)
	await(t, "127.0.0.1:8080")
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

// session is a client with cookies: it returns the status of a request such as "GET /".
func (s *site) session() func(what, body, origin string) int {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.trust}, DisableKeepAlives: true}}
	return func(what, body, origin string) int {
		s.t.Helper()
		method, path, _ := strings.Cut(what, " ")
		r, err := http.NewRequestWithContext(s.t.Context(), method, "https://gateway.example"+path, strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		got, err := client.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		got.Body.Close()
		return got.StatusCode
	}
}
