package configs_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

const patience = 10 * time.Second

// TestMosquittoACL: an app reaches its own topics and no other app's.
func TestMosquittoACL(t *testing.T) {
	var lines []string // settings without addresses and files, which the test has of its own
	for line := range strings.Lines(text(t, "mosquitto.conf", "")) {
		key, _, _ := strings.Cut(line, " ")
		if strings.TrimSpace(line) != "" && key != "#" && key != "listener" && !strings.HasSuffix(key, "_file") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) < 3 {
		t.Fatalf("lines of mosquitto.conf: %q", lines)
	}
	users := map[string]string{"workshop": "a", "panel": "b", "other": "c"}
	m := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Users: users, ACL: text(t, "mosquitto.acl", ""), Lines: lines})
	connect := func(user string) *gatewaytest.Peer {
		return gatewaytest.Client(t, m.URL(), gatewaytest.ClientOptions{User: user, Password: users[user]})
	}
	gateway, panel, other := connect("workshop"), connect("panel"), connect("other")

	const bus = "modferry/workshop/bus/rs485"
	requests := gateway.Subscribe("modferry/workshop/bus/+/request/+", 1)
	panel.Publish(bus+"/request/other", 1, false, "in another's name")
	other.Publish(bus+"/request/other", 1, false, "from a stranger")
	panel.Publish(bus+"/request/panel", 1, false, "mine")
	if m := requests.Next(patience); string(m.Payload) != "mine" {
		t.Errorf("the gateway got %q on %s", m.Payload, m.Topic)
	}

	replies := panel.Subscribe(bus+"/response/panel", 1)
	readings := panel.Subscribe("modferry/workshop/device/#", 1)
	gateway.Publish(bus+"/response/other", 1, false, "for another")
	gateway.Publish(bus+"/response/panel", 1, false, "for me")
	gateway.Publish("modferry/workshop/device/d/temperature", 1, true, "21.5")
	if m := replies.Next(patience); string(m.Payload) != "for me" {
		t.Errorf("the app got %q on %s", m.Payload, m.Topic)
	}
	if m := readings.Next(patience); string(m.Payload) != "21.5" {
		t.Errorf("the app got %q on %s", m.Payload, m.Topic)
	}
	if _, err := gatewaytest.Connect(t, m.URL(), gatewaytest.ClientOptions{}); err == nil {
		t.Error("a client without a password is let in")
	}
}

// TestNginx: the WebSocket gets through with TLS 1.2 and newer, and the page asks for a password.
func TestNginx(t *testing.T) {
	program := gatewaytest.Need(t, "nginx")
	backend := httptest.NewServer(http.HandlerFunc(upgraded))
	defer backend.Close()
	address := fmt.Sprintf("127.0.0.1:%d", gatewaytest.FreePort(t))
	gatewaytest.StartProgram(t, program, "-c", nginxConfig(t, address, backend), "-g", "daemon off;")
	await(t, address)

	secure := &tls.Config{InsecureSkipVerify: true, ServerName: "gateway.example"} // the certificate is the test's
	c, err := tls.Dial("tcp", address, secure)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /mqtt HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello\n")
	in := bufio.NewReader(c)
	reply, err := http.ReadResponse(in, nil)
	if err != nil || reply.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", reply, err)
	}
	if line, err := in.ReadString('\n'); line != "hello\n" {
		t.Errorf("through the WebSocket came %q, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true}}
	page, err := client.Get("https://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	if page.StatusCode != http.StatusUnauthorized {
		t.Errorf("the page without a password: %s", page.Status)
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", address, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

// upgraded is a WebSocket server as far as a proxy sees it: it switches protocols and echoes.
func upgraded(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mqtt" || r.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no upgrade", http.StatusBadRequest)
		return
	}
	c, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(c, in)
}

// nginxConfig writes the shipped server into a whole configuration, with the test's addresses and certificate.
func nginxConfig(t *testing.T, address string, backend *httptest.Server) string {
	dir := t.TempDir()
	certificate, key := selfSigned(t, dir)
	server := strings.NewReplacer(
		"listen 443 ssl;", "listen "+address+" ssl;",
		"listen [::]:443 ssl;", "",
		"/etc/ssl/gateway.example.pem", certificate,
		"/etc/ssl/private/gateway.example.key", key,
		"http://127.0.0.1:8080", backend.URL,
	).Replace(text(t, "nginx.conf", ""))
	whole := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole+server+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func await(t *testing.T, address string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", address)
}

// TestService: systemd knows every line of the unit.
func TestService(t *testing.T) {
	analyze := gatewaytest.Need(t, "systemd-analyze")
	unit := strings.Replace(text(t, "modferry.service", ""), "ExecStart=/usr/bin/modferry", "ExecStart="+strconv.Quote(os.Args[0]), 1)
	file := filepath.Join(t.TempDir(), "modferry.service")
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	p := gatewaytest.StartProgram(t, analyze, "verify", "--man=no", file)
	if code := p.Wait(patience); code != 0 || strings.Contains(p.Stderr(), "modferry.service") {
		t.Errorf("exit code %d\n%s", code, p.Stderr())
	}
}
