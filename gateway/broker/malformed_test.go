package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// malformed are packets that a connected client must not send, by MQTT version.
var malformed = map[string]struct {
	version byte
	bytes   []byte
}{
	"SUBSCRIBE without options":            {5, framed(0x82, u16(1), []byte{0}, str("a"))},
	"SUBSCRIBE properties beyond the end":  {5, framed(0x82, u16(1), []byte{20})},
	"SUBSCRIBE property cut off":           {5, framed(0x82, u16(1), []byte{2, 0x0B, 0x80})},
	"SUBSCRIBE without filters":            {4, framed(0x82, u16(1))},
	"SUBSCRIBE of one byte":                {4, framed(0x82, []byte{0})},
	"UNSUBSCRIBE properties beyond":        {5, framed(0xA2, u16(1), []byte{9})},
	"PUBLISH topic beyond the end":         {4, framed(0x30, []byte{0xFF, 0xFF, 'a'})},
	"PUBLISH properties beyond the end":    {5, framed(0x30, str("a"), []byte{50, 1})},
	"PUBLISH QoS 3":                        {4, framed(0x36, str("a"), u16(1))},
	"PUBLISH with a wildcard":              {4, framed(0x30, str("a/#"))},
	"PUBLISH without packet id":            {4, framed(0x32, str("a"), u16(0))},
	"PUBREC properties beyond the end":     {5, framed(0x50, u16(1), []byte{0, 80})},
	"DISCONNECT properties beyond the end": {5, framed(0xE0, []byte{0, 80, 1})},
	"AUTH cut off":                         {5, framed(0xF0, []byte{0x18, 40})},
	"a second CONNECT":                     {4, connectPacket{version: 4, clean: true}.bytes()},
	"a reserved packet type":               {4, framed(0x00)},
	"a length of five bytes":               {4, []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}},
	"more than the largest packet":         {4, []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}},
	"a server's packet":                    {4, framed(0x20, []byte{0, 0})},
}

func TestMalformedPacketsEndTheirConnectionOnly(t *testing.T) {
	b := run(t, Options{})
	wills := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Subscribe("will", 0)
	for name, m := range malformed {
		t.Run(name, func(t *testing.T) {
			c := dial(t, b.Addr().String())
			c.connect(t, connectPacket{version: m.version, clean: true, id: "bad", will: "will"})
			if _, err := c.Write(m.bytes); err != nil {
				t.Fatal(err)
			}
			if err := c.end(); err != nil {
				t.Errorf("the connection stays open: %v", err)
			}
			wills.Next(soon)
		})
	}
	if n := b.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions, the malformed ones should be gone", n)
	}
}

func TestMalformedFirstPackets(t *testing.T) {
	b := run(t, Options{})
	for name, first := range map[string][]byte{
		"not CONNECT":          framed(0xC0),
		"an HTTP request":      []byte("GET / HTTP/1.1\r\n\r\n"),
		"a TLS hello":          {0x16, 3, 1, 2, 0, 1},
		"too long":             {0x10, 0xFF, 0xFF, 0xFF, 0x7F},
		"a length of 5 bytes":  {0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1},
		"empty":                framed(0x10),
		"cut off":              framed(0x10, str("MQTT"), []byte{5, 2}),
		"properties beyond":    framed(0x10, str("MQTT"), []byte{5, 2, 0, 30, 99}),
		"another protocol":     connectPacket{version: 4, name: "MQTX", clean: true}.bytes(),
		"an unknown version":   connectPacket{version: 9, clean: true}.bytes(),
		"no id, session kept":  connectPacket{version: 4}.bytes(),
		"user name is missing": framed(0x10, str("MQTT"), []byte{4, 0x82, 0, 30}, str("x")),
	} {
		c := dial(t, b.Addr().String())
		if _, err := c.Write(first); err != nil {
			t.Fatal(err)
		}
		if err := c.end(); err != nil {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
	}
	gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
}

// TestEveryTruncationAndManyBitFlips sends each packet cut at each byte, its length
// corrected or not, and with bits changed, before and after CONNECT.
func TestEveryTruncationAndManyBitFlips(t *testing.T) {
	b := run(t, Options{Dir: t.TempDir()})
	healthy := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	box := healthy.Subscribe("healthy", 2)
	before := runtime.NumGoroutine()
	var sent [][]byte
	for _, version := range []byte{3, 4, 5} {
		for _, whole := range wirePackets(version) {
			for n := range whole {
				sent = append(sent, append([]byte{version}, whole[:n]...))
				if n >= 2 {
					cut := framed(whole[0], whole[2:n]) // all are shorter than 128 bytes
					sent = append(sent, append([]byte{version}, cut...))
				}
				for _, bit := range []byte{0x01, 0x08, 0x80} {
					flipped := bytes.Clone(whole)
					flipped[n] ^= bit
					sent = append(sent, append([]byte{version}, flipped...))
				}
			}
		}
	}
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := worker; i < len(sent); i += 8 {
				bombard(t, b, sent[i][0], sent[i][1:], i%2 == 0)
			}
		})
	}
	work.Wait()
	healthy.Publish("healthy", 2, false, "still")
	if m := box.Next(soon); string(m.Payload) != "still" {
		t.Errorf("got %+v", m)
	}
	until(t, func() bool { return b.Stats().Clients == 1 && runtime.NumGoroutine() <= before })
}

// bombard sends bytes on a connection of their own, and waits for its end.
func bombard(t *testing.T, b *running, version byte, sent []byte, connected bool) {
	c, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if connected {
		_, _ = c.Write(connectPacket{version: version, clean: true, id: "bombard" + string(rune('a'+len(sent)%16))}.bytes())
	}
	_, _ = c.Write(sent) // the broker may have closed it
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(soon))
	var late net.Error
	if _, err := io.Copy(io.Discard, c); errors.As(err, &late) && late.Timeout() {
		t.Errorf("version %d, % x: the connection stays open", version, sent)
	}
}

// FuzzPackets sends anything after a good CONNECT.
func FuzzPackets(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.version, m.bytes)
	}
	f.Add(byte(5), framed(0x82, u16(1), []byte{0}, str("$share/g/a"), []byte{2}))
	for _, version := range []byte{3, 4, 5} {
		for _, whole := range wirePackets(version) {
			for n := range len(whole) + 1 {
				f.Add(version, whole[:n])
			}
		}
	}
	f.Add(byte(4), bytes.Join([][]byte{framed(0x34, str("a"), u16(1), []byte("x")), framed(0x62, u16(1))}, nil))
	b := run(f, Options{})
	witness := dial(f, b.Addr().String())
	witness.connect(f, connectPacket{version: 4, clean: true, id: "witness"})
	f.Fuzz(func(t *testing.T, version byte, sent []byte) {
		c := dial(t, b.Addr().String())
		c.connect(t, connectPacket{version: 3 + version%3, clean: true, id: "fuzz"})
		_, _ = c.Write(sent) // the broker may have closed it
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		if err := c.end(); err != nil {
			t.Errorf("the connection stays open: %v", err)
		}
		_ = c.Close()
		check(t, witness)
	})
}

// FuzzFirstPacket sends anything to the port.
func FuzzFirstPacket(f *testing.F) {
	empty := ""
	f.Add(connectPacket{version: 5, user: &empty, password: &empty, properties: []byte{0x21, 0, 1}, will: "w"}.bytes())
	f.Add(connectPacket{version: 3, clean: true, id: "x"}.bytes())
	for _, version := range []byte{3, 4, 5} {
		whole := wirePackets(version)["CONNECT"]
		for n := range len(whole) + 1 {
			f.Add(whole[:n])
		}
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	b := run(f, Options{})
	witness := dial(f, b.Addr().String())
	witness.connect(f, connectPacket{version: 4, clean: true, id: "witness"})
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := dial(t, b.Addr().String())
		_, _ = c.Write(sent)
		_ = c.Close()
		check(t, witness)
	})
}

// check fails the test unless the broker answers.
func check(t *testing.T, witness *raw) {
	t.Helper()
	_ = witness.SetWriteDeadline(time.Now().Add(soon))
	witness.send(t, 0xC0)
	for {
		pk := witness.next(t)
		if pk.kind == 13 {
			return
		}
		if pk.kind != 3 {
			t.Fatalf("got %+v, want PINGRESP", pk)
		}
	}
}
