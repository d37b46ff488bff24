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

// TestNginx: the WebSocket gets through with TLS 1.2 and newer. Here the port is another
// one than in the file, for systems where the tests with the file as it is are skipped.
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
