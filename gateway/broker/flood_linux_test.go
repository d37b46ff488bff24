package broker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"modferry/gateway/gatewaytest"
)

const mostRSS = 128 << 10 // KiB on top of the normal footprint

// attackers is how many connections an attack has. With the race detector the memory
// means nothing, and everything takes much longer.
func attackers() int {
	if raced {
		return 40
	}
	return 500
}

// memoryOf returns what a process has and had at most, in KiB.
func memoryOf(t *testing.T, pid int) (now, peak int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &now)
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	return now, peak
}

// assault is what one attacker does on its connection. Errors are what it has to expect.
type assault func(i int, c *raw)

// together lets all attackers do the same at a time and hold their connections.
func together(t *testing.T, b *running, do assault) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var held []net.Conn
	for i := range attackers() {
		all.Go(func() {
			c, err := net.Dial("tcp", b.address)
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
			_ = c.SetDeadline(time.Now().Add(4 * time.Second))
			do(i, &raw{Conn: c})
		})
	}
	all.Wait()
	healthy(t, b)
	for _, c := range held {
		_ = c.Close()
	}
	// What the attackers took up is free again.
	gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Publish("large", 1, false, make([]byte, 900<<10))
}

// healthy fails the test unless an ordinary client is served.
func healthy(t *testing.T, b *running) {
	t.Helper()
	c := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	defer c.Close()
	box := c.Subscribe("healthy", 1)
	for i := range 3 {
		c.Publish("healthy", 1, false, fmt.Sprint(i))
		if m := box.Next(soon); string(m.Payload) != fmt.Sprint(i) {
			t.Errorf("got %+v", m)
		}
	}
}

func (r *raw) shout(packets ...[]byte) {
	for _, p := range packets {
		if _, err := r.Write(p); err != nil {
			return
		}
	}
}

func TestMemoryUnderAttack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some 20 s")
	}
	large := bytes.Repeat([]byte("x"), 1<<20)
	client := func(i int, clean bool) []byte {
		return connectPacket{version: 4, id: fmt.Sprint("attacker", i), clean: clean}.bytes()
	}
	subscribe := func(filter string, qos byte) []byte { return framed(0x82, u16(1), str(filter), []byte{qos}) }
	attacks := map[string]func(t *testing.T, b *running){
		"retained messages": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, true))
				for n := range 4 {
					c.shout(framed(0x31, str(fmt.Sprint("r/", i, "/", n)), large[:100<<10]))
				}
			})
		},
		"many small retained messages": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, true))
				for n := range 100 {
					c.shout(framed(0x31, str(fmt.Sprint(strings.Repeat("l/", 100), i, "/", n)), []byte("x")))
				}
			})
		},
		"subscribers that do not read": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, true), subscribe("flood/#", 0), subscribe(fmt.Sprint("own/", i), 1))
				if i%10 == 0 {
					for n := range 6 {
						c.shout(framed(0x30, str(fmt.Sprint("flood/", n)), large))
					}
				}
				c.shout(framed(0x30, str(fmt.Sprint("own/", i)), large[:900<<10]))
				for range 200 {
					c.shout(framed(0x32, str(fmt.Sprint("own/", i)), u16(1), large[:2<<10]))
				}
			})
		},
		"sessions that are away": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, false), subscribe(fmt.Sprint("away/", i), 2), framed(0xE0))
			})
			together(t, b, func(i int, c *raw) {
				c.shout(connectPacket{version: 4, clean: true, id: fmt.Sprint("sender", i)}.bytes())
				for range 10 {
					c.shout(framed(0x32, str(fmt.Sprint("away/", i)), u16(1), large[:60<<10]))
				}
				for range 500 {
					c.shout(framed(0x32, str(fmt.Sprint("away/", i)), u16(1), []byte("x")))
				}
			})
		},
		"packets that do not end": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				packet := framed(0x30, str("x"), large)
				c.shout(client(i, true), packet[:len(packet)-1])
			})
		},
		"CONNECT packets that do not end": func(t *testing.T, b *running) {
			together(t, b, func(_ int, c *raw) {
				packet := framed(0x10, large[:100<<10])
				c.shout(packet[:len(packet)-1])
			})
		},
		"large wills": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				will := append(str("w"), append(u16(60<<10), large[:60<<10]...)...)
				c.shout(framed(0x10, str("MQTT"), []byte{4, 6, 0, 30}, str(fmt.Sprint("a", i)), will))
			})
		},
		"subscriptions": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, true))
				for n := range 40 {
					c.shout(subscribe(fmt.Sprint(strings.Repeat(fmt.Sprint(i, "/"), 30), n, strings.Repeat("/+", 80)), 1))
				}
			})
		},
		"answers that are not read": func(t *testing.T, b *running) {
			together(t, b, func(i int, c *raw) {
				c.shout(client(i, true), bytes.Repeat(framed(0xC0), 500_000))
			})
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, t.TempDir())
			healthy(t, b.running)
			normal, _ := memoryOf(t, b.PID())
			attack(t, b.running)
			_, peak := memoryOf(t, b.PID())
			t.Logf("%d MiB, %d MiB more than before", peak>>10, (peak-normal)>>10)
			if most := mostRSS; !raced && peak-normal > most {
				t.Errorf("the attack takes %d MiB, %d MiB are allowed", (peak-normal)>>10, most>>10)
			}
		})
	}
}

// A flood of connections that say nothing does not keep others out.
func TestConnectionsThatSayNothing(t *testing.T) {
	t.Parallel()
	b := run(t, Options{})
	var held []net.Conn
	for range maxSockets + 100 {
		c, err := net.Dial("tcp", b.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	healthy(t, b)
	open := 0
	for _, c := range held {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); os.IsTimeout(err) {
			open++
		}
	}
	if open > maxSockets {
		t.Errorf("%d are open", open)
	}
	begin := time.Now()
	last := held[len(held)-1]
	_ = last.SetReadDeadline(begin.Add(2 * connectTimeout))
	if _, err := last.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v after %v, want the connection closed because no CONNECT came", err, time.Since(begin))
	}
}

// A WebSocket that is refused does not stay open because its client holds it.
func TestWebSocketsThatAreRefusedAreClosed(t *testing.T) {
	b := run(t, Options{})
	address := strings.TrimSuffix(strings.TrimPrefix(b.ws, "ws://"), "/mqtt")
	const upgrade = "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	for name, request := range map[string]string{
		"a foreign page":   upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n\r\n",
		"no WebSocket key": upgrade + "Sec-WebSocket-Version: 13\r\n\r\n",
		"an old version":   upgrade + "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"plain HTTP":       "GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(soon))
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			t.Errorf("%s: got %.60q (%v), want a refusal and the end", name, answer, err)
		}
	}
	// One that speaks text, and never answers the close.
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte(upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\x00\x00\x00\x00hi"))
	begin := time.Now()
	_ = c.SetReadDeadline(begin.Add(soon))
	if _, err := io.ReadAll(c); err != nil || time.Since(begin) > 3*closeTimeout {
		t.Errorf("closed after %v (%v)", time.Since(begin), err)
	}
}

func TestStuckWebSocketEndsAtOnce(t *testing.T) {
	b := run(t, Options{})
	c, _, err := dialWS(t, b.ws, websocket.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, connectPacket{version: 4, clean: true}.bytes())
	receive(t, c)
	send(t, c, framed(0x82, u16(1), str("a"), []byte{0}))
	receive(t, c)
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	for range 20 { // more than the sockets' buffers take
		sender.Publish("a", 1, false, strings.Repeat("x", 1<<20))
	}
	begin := time.Now()
	b.stop()
	if took := time.Since(begin); took > 3*closeTimeout {
		t.Errorf("it took %v", took)
	}
}
