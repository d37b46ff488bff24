package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/gateway"
	"modferry/gateway/config"
)

// manager is systemd's side of the socket.
type manager struct {
	t  *testing.T
	in chan string
}

// newManager listens as systemd does, for whatever the test starts.
func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // the name of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skipf("no sockets of this kind: %v", err)
	}
	m := &manager{t: t, in: make(chan string, 1000)}
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			m.in <- string(buffer[:n])
		}
	})
	t.Cleanup(func() { socket.Close(); reading.Wait(); os.RemoveAll(dir) })
	t.Setenv("NOTIFY_SOCKET", name)
	return m
}

// next returns the next message other than signs of life and a new status.
func (m *manager) next() string {
	m.t.Helper()
	return m.await(func(text string) bool { return text != "WATCHDOG=1" && !strings.HasPrefix(text, "STATUS=") })
}

func (m *manager) await(wanted func(string) bool) string {
	m.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case text := <-m.in:
			if wanted(text) {
				return text
			}
		case <-deadline:
			m.t.Fatal("the service manager is not told")
		}
	}
}

func (m *manager) expect(start string) string {
	m.t.Helper()
	text := m.next()
	if !strings.HasPrefix(text, start) {
		m.t.Errorf("the service manager is told %q, want %q", text, start)
	}
	return text
}

// fakeService runs until it is told to end.
type fakeService struct {
	mu     sync.Mutex
	reload func(*config.Config) error
	live   func() error
	away   error // from the broker
	end    chan error
}

// set changes what the service does.
func (s *fakeService) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *fakeService) Run(ctx context.Context) error {
	select {
	case err := <-s.end:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (s *fakeService) Reload(c *config.Config) error {
	var reload func(*config.Config) error
	s.set(func() { reload = s.reload })
	return reload(c)
}

func (s *fakeService) Connected() error {
	var away error
	s.set(func() { away = s.away })
	return away
}

func (s *fakeService) Live() error {
	var live func() error
	s.set(func() { live = s.live })
	return live()
}

// trial is a daemon under test, with what it started.
type trial struct {
	t       *testing.T
	file    string
	manager *manager
	log     *lockedBuffer
	started chan *config.Config
	fails   chan error // of the next starts; empty = they succeed
	service *fakeService
	stop    func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func yamlOf(gateway string) string {
	return "gateway: " + gateway + "\nbroker: {}\nbuses: {b: {tcp: h}}\n"
}

func try(t *testing.T) *trial {
	x := &trial{
		t: t, manager: newManager(t), log: &lockedBuffer{}, file: write(t, "gateway.yaml", yamlOf("one")),
		started: make(chan *config.Config, 10), fails: make(chan error, 10),
		service: &fakeService{
			reload: func(*config.Config) error { return nil }, live: func() error { return nil }, end: make(chan error, 1),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	x.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = x.stop() })
	log := slog.New(slog.NewTextHandler(x.log, nil))
	go func() {
		done <- runDaemon(ctx, x.file, log, func(c *config.Config) (service, error) {
			x.started <- c
			select {
			case err := <-x.fails:
				return nil, err
			default:
				return x.service, nil
			}
		})
	}()
	return x
}

// replace replaces the configuration as careful programs do.
func replace(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func (x *trial) expectStart(gateway string) {
	x.t.Helper()
	select {
	case c := <-x.started:
		if c.Gateway != gateway {
			x.t.Errorf("gateway %s is started, want %s", c.Gateway, gateway)
		}
	case <-time.After(patience):
		x.t.Fatalf("gateway %s is not started\n%s", gateway, x.log)
	}
}

func TestDaemonReloads(t *testing.T) {
	reloaded := make(chan string, 1)
	x := try(t)
	x.service.set(func() { x.service.reload = func(c *config.Config) error { reloaded <- c.Gateway; return nil } })
	x.manager.expect("READY=1\nSTATUS=gateway one, 1 bus, 0 devices")
	x.expectStart("one")
	replace(t, x.file, yamlOf("two"))
	if text := x.manager.expect("RELOADING=1"); !strings.Contains(text, "\nMONOTONIC_USEC=") && runtime.GOOS == "linux" {
		t.Errorf("the service manager is told %q", text)
	}
	x.manager.expect("READY=1\nSTATUS=gateway two")
	if got := <-reloaded; got != "two" {
		t.Errorf("reloaded %s", got)
	}
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	x.manager.expect("STOPPING=1")
}

func TestDaemonKeepsTheConfigurationBefore(t *testing.T) {
	x := try(t)
	x.manager.expect("READY=1")
	x.expectStart("one")
	replace(t, x.file, "gateway: two\nbroker: {}\nbuses: {b: {tcp: h, qeue: 1}}\ncolour: red\n")
	x.manager.expect("RELOADING=1")
	x.manager.expect("READY=1\nSTATUS=the changed configuration has mistakes")
	for _, mistake := range []string{"buses.b.qeue: unknown key", "colour: unknown key"} {
		if !strings.Contains(x.log.String(), mistake) {
			t.Errorf("%q is not logged:\n%s", mistake, x.log)
		}
	}
	x.service.set(func() { x.service.reload = func(*config.Config) error { return errors.New("the bus is on fire") } })
	replace(t, x.file, yamlOf("three"))
	x.manager.expect("RELOADING=1")
	x.manager.expect("READY=1\nSTATUS=the changed configuration cannot be used")
	if !strings.Contains(x.log.String(), "the bus is on fire") {
		t.Errorf("the reason is not logged:\n%s", x.log)
	}
	if len(x.started) > 0 {
		t.Error("another service was started")
	}
}

func TestDaemonStartsAnew(t *testing.T) {
	x := try(t)
	x.manager.expect("READY=1")
	x.expectStart("one")
	x.service.set(func() { x.service.reload = func(*config.Config) error { return gateway.ErrRestart } })
	replace(t, x.file, yamlOf("two"))
	x.manager.expect("RELOADING=1")
	x.manager.expect("READY=1\nSTATUS=gateway two")
	x.expectStart("two")

	x.fails <- errors.New("address in use")
	replace(t, x.file, yamlOf("three"))
	x.manager.expect("RELOADING=1")
	x.expectStart("three")
	x.expectStart("two")
	x.manager.expect("READY=1\nSTATUS=gateway two")
	if !strings.Contains(x.log.String(), "address in use") {
		t.Errorf("the reason is not logged:\n%s", x.log)
	}

	x.fails <- errors.New("address in use")
	x.fails <- errors.New("disk full")
	replace(t, x.file, yamlOf("four"))
	x.expectStart("four")
	x.expectStart("two")
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if err := x.stop(); err != nil {
			if !strings.Contains(err.Error(), "disk full") {
				t.Errorf("error %v", err)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal("a daemon without a service goes on")
		}
	}
}

func TestDaemonEndsWithItsService(t *testing.T) {
	x := try(t)
	x.manager.expect("READY=1")
	x.service.end <- fmt.Errorf("embedded broker: %w", net.ErrClosed)
	x.expectStart("one")
	deadline := time.After(patience)
	ended := make(chan error, 1)
	go func() {
		for len(x.service.end) > 0 {
			time.Sleep(time.Millisecond)
		}
		ended <- x.stop()
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	case <-deadline:
		t.Fatal("the daemon goes on without its service")
	}
}

// TestDaemonThatIsStuckGivesNoSignOfLife, and gives them again when it works again.
func TestDaemonThatIsStuckGivesNoSignOfLife(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	asked := make(chan error)
	m := func(text string) bool { return text == "WATCHDOG=1" }
	x := try(t)
	x.service.set(func() { x.service.live = func() error { return <-asked } })
	defer close(asked)
	x.manager.expect("READY=1\nSTATUS=gateway one, 1 bus, 0 devices: connected to the broker")
	x.service.set(func() { x.service.away = errors.New("no route to host\nREADY=1") })
	asked <- nil
	x.manager.await(func(text string) bool {
		return text == "STATUS=gateway one, 1 bus, 0 devices: no route to host READY=1"
	})
	x.manager.await(m)
	for range 5 {
		asked <- errors.New("bus b is stuck")
	}
	if len(x.manager.in) > 0 {
		t.Errorf("a service that is stuck tells %q", <-x.manager.in)
	}
	asked <- nil
	x.manager.await(m)
	if n := strings.Count(x.log.String(), "bus b is stuck"); n != 1 {
		t.Errorf("that it is stuck is logged %d times:\n%s", n, x.log)
	}
}
