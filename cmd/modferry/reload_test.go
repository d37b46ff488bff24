package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// site is a gateway with an embedded broker, which reads a virtual sensor.
type site struct {
	t       *testing.T
	dir     string
	device  string
	broker  int // ports
	http    int
	process *gatewaytest.Process
}

// yaml is its configuration with one device.
func (s *site) yaml(device string) string {
	return fmt.Sprintf("gateway: shed\ndata_dir: %q\nbroker: {mqtt: '127.0.0.1:%d', users: {me: {password_file: me.password}}}\n"+
		"http: {listen: '127.0.0.1:%d'}\nbuses: {b: {tcp: %q}}\ndevices: {%s: {bus: b, unit: 1, profile: xy-md02, every: 100ms, heartbeat: 100ms}}\n",
		filepath.Join(s.dir, "data"), s.broker, s.http, s.device, device)
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) url() string { return fmt.Sprintf("tcp://127.0.0.1:%d", s.broker) }

// newSite starts it with the device "first".
func newSite(t *testing.T) *site {
	t.Helper()
	tcp, _ := sensor(t)
	s := &site{t: t, dir: t.TempDir(), device: tcp, broker: gatewaytest.FreePort(t), http: gatewaytest.FreePort(t)}
	replace(t, s.file("me.password"), "old\n")
	replace(t, s.file("gateway.yaml"), s.yaml("first"))
	s.process = gatewaytest.Start(t, "gateway", "-c", s.file("gateway.yaml"))
	return s
}

// connect connects as soon as the broker lets this password in.
func (s *site) connect(password string) *gatewaytest.Peer {
	s.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var app *gatewaytest.Peer
		app, err = gatewaytest.Connect(s.t, s.url(), gatewaytest.ClientOptions{User: "me", Password: password})
		if err == nil {
			return app
		}
	}
	s.t.Fatalf("the broker lets nobody in: %v", err)
	return nil
}

// expectReading waits for a reading of a device that was taken from now on.
func (s *site) expectReading(app *gatewaytest.Peer, device string) {
	s.t.Helper()
	since := time.Now()
	in := app.Subscribe("modferry/shed/device/"+device+"/temperature", 1)
	in.Await(patience, func(m gatewaytest.Message) bool {
		var reading struct {
			Quality string
			Time    time.Time
		}
		return json.Unmarshal(m.Payload, &reading) == nil && reading.Quality == "good" && reading.Time.After(since)
	})
}

func TestProcessReloads(t *testing.T) {
	s := newSite(t)
	s.expectReading(s.connect("old"), "first")

	replace(t, s.file("gateway.yaml"), s.yaml("second"))
	s.process.ErrorLine("configuration reloaded")
	s.expectReading(s.connect("old"), "second")

	// Mistakes: each is said, nothing changes, and a signal changes nothing about that.
	if err := os.WriteFile(s.file("gateway.yaml"), []byte(s.yaml("third")+"colour: red\nbacklog: {max: 1B}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process.ErrorLine("colour: unknown key")
	s.process.ErrorLine("backlog.max: expected a size")
	s.process.Signal(syscall.SIGHUP)
	for end := time.Now().Add(patience); strings.Count(s.process.Stderr(), "colour: unknown key") < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the signal is not heard")
		}
	}
	s.expectReading(s.connect("old"), "second")

	// Mended in place.
	if err := os.WriteFile(s.file("gateway.yaml"), []byte(s.yaml("fourth")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.expectReading(s.connect("old"), "fourth")

	// A secret that is rotated in a file of its own.
	replace(t, s.file("me.password"), "new\n")
	s.expectReading(s.connect("new"), "fourth")
	if _, err := gatewaytest.Connect(t, s.url(), gatewaytest.ClientOptions{User: "me", Password: "old"}); err == nil {
		t.Error("the old password is still good")
	}
	if code := s.process.Stop(); code != exitGood {
		t.Errorf("exit code %d", code)
	}
}

// TestProcessTellsSystemd: what systemd is told, in the order in which it happens.
func TestProcessTellsSystemd(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "100000")
	s := newSite(t)
	m.expect("READY=1\nSTATUS=gateway shed, 1 bus, 1 device")
	for range 3 {
		m.await(func(text string) bool { return text == "WATCHDOG=1" })
	}
	s.process.Signal(syscall.SIGHUP)
	if text := m.expect("RELOADING=1"); !strings.Contains(text, "MONOTONIC_USEC=") {
		t.Errorf("the service manager is told %q", text)
	}
	m.expect("READY=1")
	m.await(func(text string) bool { return text == "WATCHDOG=1" })
	s.process.Signal(syscall.SIGTERM)
	m.expect("STOPPING=1")
	if code := s.process.Wait(5 * time.Second); code != exitGood {
		t.Errorf("exit code %d", code)
	}
}

// TestProcessWithoutBroker: the service is at work although no broker can be reached.
func TestProcessWithoutBroker(t *testing.T) {
	m := newManager(t)
	gatewaytest.Start(t, "gateway", "-c", write(t, "gateway.yaml",
		fmt.Sprintf("gateway: shed\ndata_dir: %q\nmqtt: {url: 'mqtt://127.0.0.1:%d'}\nbuses: {b: {tcp: 127.0.0.1}}\n", t.TempDir(), gatewaytest.FreePort(t))))
	m.expect("READY=1")
}

// TestProcessStartsAnew: what only another gateway can be, in the same process. If
// that one cannot start, the one before it does.
func TestProcessStartsAnew(t *testing.T) {
	s := newSite(t)
	s.expectReading(s.connect("old"), "first")

	before := s.broker
	s.broker = gatewaytest.FreePort(t)
	replace(t, s.file("gateway.yaml"), s.yaml("second"))
	s.expectReading(s.connect("old"), "second")
	if _, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", before), time.Second); err == nil {
		t.Error("the old port is still open")
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := s.broker
	s.broker = taken.Addr().(*net.TCPAddr).Port
	replace(t, s.file("gateway.yaml"), s.yaml("third"))
	s.process.ErrorLine("cannot start the gateway with the changed configuration, the one before it stays")
	s.broker = good
	s.expectReading(s.connect("old"), "second")
	if code := s.process.Stop(); code != exitGood {
		t.Errorf("exit code %d", code)
	}
}
