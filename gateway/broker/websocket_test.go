package broker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func dialWS(t *testing.T, url string, o websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, response, err := websocket.Dial(ctx, url, &o)
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, response, err
}

// receive returns the next WebSocket message.
func receive(t *testing.T, c *websocket.Conn) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	kind, b, err := c.Read(ctx)
	if err != nil || kind != websocket.MessageBinary {
		t.Fatalf("message of type %v: %v", kind, err)
	}
	return b
}

func send(t *testing.T, c *websocket.Conn, b []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageBinary, b); err != nil {
		t.Fatal(err)
	}
}

func TestSubprotocols(t *testing.T) {
	b := run(t, Options{})
	for offered, want := range map[string]string{"": "", "mqtt": "mqtt", "mqttv3.1": "mqttv3.1", "mqttv3.1,mqtt": "mqtt", "other": ""} {
		var o websocket.DialOptions
		if offered != "" {
			o.Subprotocols = strings.Split(offered, ",")
		}
		c, _, err := dialWS(t, b.ws, o)
		if err != nil {
			t.Errorf("offered %q: %v", offered, err)
			continue
		}
		if c.Subprotocol() != want {
			t.Errorf("offered %q: got %q, want %q", offered, c.Subprotocol(), want)
		}
		send(t, c, connectPacket{version: 3, clean: true, id: "x"}.bytes())
		if got := receive(t, c); !bytes.Equal(got, []byte{0x20, 2, 0, 0}) {
			t.Errorf("offered %q: got % x, want CONNACK", offered, got)
		}
	}
}

// TestPacketsSplitAndJoined sends the same conversation in messages of every kind.
func TestPacketsSplitAndJoined(t *testing.T) {
	b := run(t, Options{})
	sent := bytes.Join([][]byte{
		connectPacket{version: 4, clean: true}.bytes(),
		framed(0x82, u16(1), str("a"), []byte{1}),
		framed(0x30, str("a"), bytes.Repeat([]byte("x"), 300)),
		framed(0xC0),
	}, nil)
	for name, pieces := range map[string][][]byte{
		"all in one":     {sent},
		"byte by byte":   chunks(sent, 1),
		"five at a time": chunks(sent, 5),
		"empty between":  {sent[:3], {}, sent[3:20], {}, sent[20:]},
	} {
		c, _, err := dialWS(t, b.ws, websocket.DialOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			send(t, c, p)
		}
		kinds := map[byte]bool{}
		for range 4 {
			m := receive(t, c)
			if packetSize(m) != len(m) {
				t.Errorf("%s: a message of %d bytes holds a packet of %d", name, len(m), packetSize(m))
			}
			kinds[m[0]>>4] = true
		}
		for _, kind := range []byte{2, 9, 3, 13} {
			if !kinds[kind] {
				t.Errorf("%s: no packet of type %d", name, kind)
			}
		}
	}
}

func TestFragmentedMessage(t *testing.T) {
	b := run(t, Options{})
	c, _, err := dialWS(t, b.ws, websocket.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	w, err := c.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range chunks(connectPacket{version: 4, clean: true, id: strings.Repeat("i", 9000)}.bytes(), 4096) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got[0] != 0x20 {
		t.Errorf("got % x, want CONNACK", got)
	}
}

func chunks(b []byte, size int) (all [][]byte) {
	for len(b) > size {
		all, b = append(all, b[:size]), b[size:]
	}
	return append(all, b)
}

func TestTextIsRefusedWithAReason(t *testing.T) {
	b := run(t, Options{})
	c, _, err := dialWS(t, b.ws, websocket.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusUnsupportedData || closed.Reason != textReason {
		t.Errorf("got %v, want the reason %q", err, textReason)
	}
}

func TestSilentWebSocketEndsWithItsKeepAlive(t *testing.T) {
	t.Parallel()
	b := run(t, Options{})
	c, _, err := dialWS(t, b.ws, websocket.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first := connectPacket{version: 4, clean: true}.bytes()
	first[11] = 1 // keep alive: 1 s
	send(t, c, first)
	receive(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want the connection closed after 1.5 s", err)
	}
}

func TestWebPagesThatMayConnect(t *testing.T) {
	open := run(t, Options{Origins: []string{"app.example", "other.example:8443"}})
	guarded := run(t, Options{Users: map[string]User{"ann": {Password: "x", Topics: []string{"#"}}}})
	for origin, want := range map[string]bool{
		"http://localhost:3000":      true,
		"http://127.0.0.1:8080":      true,
		"http://[::1]:8080":          true,
		"https://servicewechat.com":  true,
		"https://app.example":        true,
		"https://app.example:444":    true,
		"https://other.example:8443": true,
		"https://other.example":      false,
		"https://evil.example":       false,
		"http://localhost.evil":      false,
		"http://127.0.0.1.evil":      false,
		"null":                       false,
		"http://%zz":                 false,
	} {
		o := websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}}
		_, response, err := dialWS(t, open.ws, o)
		if (err == nil) != want {
			t.Errorf("%s: %v, accepted should be %v", origin, err, want)
		}
		if err != nil && (response == nil || response.StatusCode != http.StatusForbidden) {
			t.Errorf("%s: %v, want status 403", origin, err)
		}
		if _, _, err := dialWS(t, guarded.ws, o); err != nil {
			t.Errorf("%s to a broker with users: %v", origin, err)
		}
	}
}

func TestPlainHTTPIsToldWhatThisIs(t *testing.T) {
	b := run(t, Options{})
	response, err := http.Get("http" + strings.TrimPrefix(b.ws, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusUpgradeRequired || !strings.Contains(string(text), "MQTT client") {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWebSocketBeforeTheBeginning(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewServer(b.WebSocket())
	defer pages.Close()
	connected := make(chan error, 1)
	go func() {
		_, _, err := dialWS(t, "ws"+strings.TrimPrefix(pages.URL, "http"), websocket.DialOptions{})
		connected <- err
	}()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if err := <-connected; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWebSocketAfterTheEnd(t *testing.T) {
	b := run(t, Options{})
	idle, _, err := dialWS(t, b.ws, websocket.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	reading := make(chan error, 1)
	go func() {
		_, _, err := idle.Read(context.Background())
		reading <- err
	}()
	start := time.Now()
	b.stop()
	if err := <-reading; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got %v, want going away", err)
	}
	if took := time.Since(start); took > 2*closeTimeout {
		t.Errorf("it took %v", took)
	}
}
