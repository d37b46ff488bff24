package console

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func ask(t *testing.T, url, accept string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(body)
}

func TestHealth(t *testing.T) {
	var live, ready atomic.Pointer[error]
	check := func(p *atomic.Pointer[error]) func() error {
		return func() error {
			if err := p.Load(); err != nil {
				return *err
			}
			return nil
		}
	}
	base := serve(t, Options{Live: check(&live), Ready: check(&ready)})
	expect := func(path, accept string, status int, kind, want string) {
		t.Helper()
		r, body := ask(t, base+path, accept)
		if r.StatusCode != status || body != want || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %q %v", path, r.Status, body, r.Header)
		}
	}
	expect("/healthz", "", 200, "text/plain", "ok\n")
	expect("/readyz", "text/html, application/json;q=0.9", 200, "application/json", `{"ok":true}`+"\n")

	stuck := errors.New("bus rs485 is stuck in its driver for 12s")
	live.Store(&stuck)
	expect("/healthz", "", 503, "text/plain", "bus rs485 is stuck in its driver for 12s\n")
	expect("/readyz", "", 200, "text/plain", "ok\n")

	away := errors.Join(errors.New("not connected to the broker: connection refused"), errors.New("requests are not subscribed"))
	ready.Store(&away)
	expect("/readyz", "*/*", 503, "text/plain", "not connected to the broker: connection refused\nrequests are not subscribed\n")
	expect("/readyz", "application/json", 503, "application/json",
		`{"ok":false,"reasons":["not connected to the broker: connection refused","requests are not subscribed"]}`+"\n")
}

func TestWithoutChecksAllIsWell(t *testing.T) {
	base := serve(t, Options{})
	for _, path := range []string{"/healthz", "/readyz"} {
		if r, body := ask(t, base+path, ""); r.StatusCode != 200 || body != "ok\n" {
			t.Errorf("%s: %s %q", path, r.Status, body)
		}
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	base := serve(t, Options{})
	r, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", maxHeader+8<<10))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of %d bytes: %s", maxHeader+8<<10, reply.Status)
	}
}

func TestTLS(t *testing.T) {
	// httptest brings a certificate for example.com and a client that trusts it.
	borrowed := httptest.NewTLSServer(http.NotFoundHandler())
	defer borrowed.Close()
	pair := borrowed.TLS.Certificates[0]
	var asked atomic.Int32
	base := serve(t, Options{MQTT: http.NotFoundHandler(), TLS: func() (*tls.Config, error) {
		if asked.Add(1) > 2 {
			return nil, errors.New("no certificate")
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
	}})
	if r, _ := get(t, base+"/"); r.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %s", r.Status)
	}
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
	client := http.Client{Transport: transport}
	secure := strings.Replace(base, "http:", "https:", 1)
	for range 2 {
		r, err := client.Get(secure)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !strings.Contains(string(body), "modferry") {
			t.Errorf("%v:\n%s", err, body)
		}
	}
	if _, err := client.Get(secure); err == nil {
		t.Error("a connection without a certificate")
	}
	transport.TLSClientConfig.MaxVersion = tls.VersionTLS11
	if _, err := client.Get(secure); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// TestIdleConnectionsAreBounded: who holds all of them open keeps nobody out.
func TestIdleConnectionsAreBounded(t *testing.T) {
	address := strings.TrimPrefix(serve(t, Options{}), "http://")
	dial := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var open []net.Conn
	for range maxOpen {
		open = append(open, dial())
	}
	c := dial()
	fmt.Fprintf(c, "GET /healthz HTTP/1.0\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("nobody can connect any more: %v", err)
	}
	r.Body.Close()
	_ = open[0].SetReadDeadline(time.Now().Add(headerTimeout / 2))
	if _, err := open[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection too many stays: %v", err)
	}
}
