package mqtt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRepliesThatAreNoWebSocketSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
	}{
		{200, "HTTP 200 OK: check the path in mqtt.url"},
		{301, `HTTP 301 Moved Permanently: write where it leads to in mqtt.url, "https://other.example/mqtt"`},
		{403, "the web server lets nobody in there"},
		{404, "HTTP 404 Not Found: check the path in mqtt.url"},
		{426, "check the path"},
		{503, "does not reach the broker"},
		{599, "HTTP 599: check the path"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://other.example/mqtt")
			w.WriteHeader(c.code)
			fmt.Fprint(w, strings.Repeat("a page\n", 10000))
		}))
		says(t, "ws"+strings.TrimPrefix(server.URL, "http")+"/wrong", nil, c.want)
		server.Close()
	}
}

func TestAnotherSubprotocolIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Sec-WebSocket-Protocol", "chat")
		c, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(in, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
		in.Flush()
	}))
	defer server.Close()
	says(t, "ws"+strings.TrimPrefix(server.URL, "http")+"/mqtt", nil, "no MQTT over WebSocket")
}

func TestAProxyThatIsAwayIsNamed(t *testing.T) {
	err := dialError(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("connection refused")})
	if !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Error(err)
	}
}

func TestWordsAreSaidOnce(t *testing.T) {
	first := dialError(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")})
	if again := dialError(fmt.Errorf("network error: %w", first)); !errors.Is(again, first) || strings.Count(again.Error(), "mqtt.tls.cert") != 1 {
		t.Error(again)
	}
	if err := dialError(nil); err != nil {
		t.Error(err)
	}
	if err := dialError(errors.New("something")); err.Error() != "something" {
		t.Error(err)
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0})
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2p1\r\n"))
	f.Fuzz(func(t *testing.T, first []byte) {
		err := greeting(first)
		if mqtt := len(first) == 0 || first[0] == 0x20 || first[0] == 0xF0; mqtt != (err == nil) {
			t.Fatalf("%q: %v", first, err)
		}
		if err != nil && (len(err.Error()) > 200 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == utf8.RuneError })) {
			t.Fatalf("%q", err)
		}
	})
}

// FuzzRefused: whatever a web server answers, the error is one short line.
func FuzzRefused(f *testing.F) {
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 400 x\r\n\r\nThe plain HTTP request was sent to HTTPS port"))
	f.Add([]byte("HTTP/1.1 302 \x1b[2J\r\nLocation: \x1b[2J\r\n\r\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		reply, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			return
		}
		defer func() { _, _ = io.Copy(io.Discard, reply.Body); reply.Body.Close() }()
		if words := refused(reply).Error(); strings.ContainsFunc(words, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q", words)
		}
	})
}
