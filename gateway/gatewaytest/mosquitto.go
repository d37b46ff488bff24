package gatewaytest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	acceptTimeout = 10 * time.Second
	acceptPoll    = 10 * time.Millisecond
)

// MosquittoOptions is how a mosquitto is configured. The zero value is mosquitto's
// defaults, open to everybody.
type MosquittoOptions struct {
	NoDelay    bool              // set_tcp_nodelay, which is off by default
	WebSocket  bool              // a WebSocket listener too; Debian's mosquitto binds it to all addresses, whatever it is told
	Persistent bool              // sessions and retained messages on disk
	Users      map[string]string // passwords by name; nil = anyone
	ACL        string            // contents of an acl_file, "" = none
	Lines      []string          // further configuration lines
}

// Server is a running mosquitto.
type Server struct {
	Addr   string // host:port of MQTT over TCP
	WSAddr string // host:port of MQTT over WebSocket, any path, if it was asked for

	t         testing.TB
	program   string
	listeners []string // addresses that must accept before the server is up
	config    string
	process   *Process
}

// URL returns the address for an MQTT client.
func (s *Server) URL() string { return "tcp://" + s.Addr }

// WSURL returns the WebSocket address for an MQTT client.
func (s *Server) WSURL() string { return "ws://" + s.WSAddr + "/mqtt" }

// Mosquitto starts a mosquitto that accepts connections when it returns, and ends with the test.
func Mosquitto(t testing.TB, o MosquittoOptions) *Server {
	t.Helper()
	s := &Server{t: t, program: Need(t, "mosquitto")}
	for range 3 { // another process may take a free port first
		s.configure(o)
		if s.start() {
			break
		}
		t.Logf("mosquitto did not start:\n%s", s.process.stderr)
	}
	if s.process == nil || !s.running() {
		t.Fatal("mosquitto cannot be started")
	}
	t.Cleanup(func() {
		s.Kill()
		s.process.show()
	})
	return s
}

func (s *Server) configure(o MosquittoOptions) {
	s.t.Helper()
	dir := s.t.TempDir()
	s.Addr = fmt.Sprintf("127.0.0.1:%d", FreePort(s.t))
	s.WSAddr = fmt.Sprintf("127.0.0.1:%d", FreePort(s.t))
	s.listeners = []string{s.Addr}
	lines := []string{
		"per_listener_settings false",
		"log_dest stderr",
		"listener " + port(s.Addr) + " 127.0.0.1",
		"protocol mqtt",
		fmt.Sprintf("allow_anonymous %t", o.Users == nil),
		fmt.Sprintf("set_tcp_nodelay %t", o.NoDelay),
		fmt.Sprintf("persistence %t", o.Persistent),
		"persistence_location " + dir + "/",
	}
	if o.WebSocket {
		lines = append(lines, "listener "+port(s.WSAddr)+" 127.0.0.1", "protocol websockets")
		s.listeners = append(s.listeners, s.WSAddr)
	}
	if os.Getuid() == 0 {
		lines = append(lines, "user root") // it could not read its files otherwise
	}
	if o.Users != nil {
		lines = append(lines, "password_file "+s.passwords(dir, o.Users))
	}
	if o.ACL != "" {
		lines = append(lines, "acl_file "+s.file(dir, "acl", o.ACL))
	}
	s.config = s.file(dir, "mosquitto.conf", strings.Join(append(lines, o.Lines...), "\n")+"\n")
}

func (s *Server) file(dir, name, content string) string {
	s.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *Server) passwords(dir string, users map[string]string) string {
	s.t.Helper()
	path := s.file(dir, "passwords", "")
	for name, password := range users {
		out, err := exec.Command(Need(s.t, "mosquitto_passwd"), "-b", path, name, password).CombinedOutput()
		if err != nil {
			s.t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
		}
	}
	return path
}

// start runs mosquitto and reports whether it accepts connections.
func (s *Server) start() bool {
	s.t.Helper()
	s.process = launch(s.t, exec.Command(s.program, "-c", s.config))
	for _, addr := range s.listeners {
		if !s.accepts(addr) {
			s.Kill()
			return false
		}
	}
	return true
}

func (s *Server) accepts(addr string) bool {
	for end := time.Now().Add(acceptTimeout); time.Now().Before(end) && s.running(); {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return true
		}
		time.Sleep(acceptPoll)
	}
	return false
}

func (s *Server) running() bool {
	select {
	case <-s.process.ended:
		return false
	default:
		return true
	}
}

// Kill ends mosquitto at once, as a power cut does.
func (s *Server) Kill() { s.process.Kill() }

// Stop ends mosquitto in order, with its sessions saved if it is persistent.
func (s *Server) Stop() { s.process.Stop() }

// Restart starts mosquitto again, on the same ports, after ending it at once if it runs.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.start() {
		s.t.Fatalf("mosquitto does not start again:\n%s", s.process.stderr)
	}
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
