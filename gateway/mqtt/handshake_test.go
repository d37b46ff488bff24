package mqtt_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/gateway/mqtt"
)

// Types of MQTT packets.
const (
	connectPacket  = 1
	publishPacket  = 3
	pubrelPacket   = 6
	pingreqPacket  = 12
	shortestPubrec = "\x50\x02"
)

// halfway is a broker that answers the first of some publications at QoS 2, ends the
// connection when that is released, and notes what comes over the next one.
type halfway struct {
	net.Listener
	connack string // session present
	until   int    // publications

	mu    sync.Mutex
	cut   bool
	again []string
}

func (b *halfway) serve() {
	for {
		c, err := b.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		b.talk(c)
		c.Close()
	}
}

func (b *halfway) talk(c net.Conn) {
	in := bufio.NewReader(c)
	var first []byte
	for published := 0; ; {
		kind, body, err := readPacket(in)
		switch {
		case err != nil:
			return
		case kind == connectPacket:
			_, _ = io.WriteString(c, b.connack)
		case kind == pingreqPacket:
			_, _ = io.WriteString(c, "\xd0\x00")
		case kind == publishPacket:
			id, payload := publication(body)
			if published++; published == 1 {
				first = id
			}
			if b.note("PUBLISH " + payload) {
				_, _ = c.Write(append([]byte(shortestPubrec), id...))
			} else if published == b.until {
				_, _ = c.Write(append([]byte(shortestPubrec), first...))
			}
		case kind == pubrelPacket:
			if !b.note(fmt.Sprint("PUBREL ", binary.BigEndian.Uint16(body))) {
				b.mu.Lock()
				b.cut = true
				b.mu.Unlock()
				return
			}
			_, _ = c.Write(append([]byte("\x70\x02"), body[:2]...))
		}
	}
}

// note reports whether it is the next connection already.
func (b *halfway) note(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut {
		b.again = append(b.again, what)
	}
	return b.cut
}

func (b *halfway) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.again)
}

func readPacket(in *bufio.Reader) (kind byte, body []byte, err error) {
	head, err := in.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(in) // as in MQTT 3.1.1, 2.2.3
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return head >> 4, body, err
}

// publication returns the packet id, and the last byte of the payload.
func publication(body []byte) (id []byte, payload string) {
	topic := 2 + int(binary.BigEndian.Uint16(body))
	return body[topic : topic+2], string(body[len(body)-1:])
}

// A publication at QoS 2 whose handshake has gone half way is released before any after
// it: brokers pass on what is released, and that keeps its order [MQTT-4.6.0-1].
func TestHandshakesGoOnInOrder(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b := &halfway{Listener: l, connack: "\x20\x02\x01\x00", until: 3}
		if v == mqtt.V5 {
			b.connack = "\x20\x03\x01\x00\x00"
		}
		var serving sync.WaitGroup
		serving.Go(b.serve)
		t.Cleanup(func() { l.Close(); serving.Wait() })
		s, end := run(t, "tcp://"+l.Addr().String(), with(v, qos(2), lasting(time.Minute, ""), func(o *mqtt.Options) { o.Topics, o.Status = nil, "" }))
		for i := range b.until {
			s.Publish(mqtt.Event{Topic: "w/response", Payload: fmt.Append(nil, i)})
		}
		await(t, "end of the handshakes", func() bool { return len(b.heard()) >= 5 })
		got := b.heard()
		if v == mqtt.V311 && got[0] != "PUBREL 1" { // the library of MQTT 5 repeats all before it hears an answer
			t.Errorf("over the next connection comes %q first", got[0])
		}
		var released, repeated []string
		for _, what := range got {
			if strings.HasPrefix(what, "PUBREL") {
				released = append(released, what)
			} else {
				repeated = append(repeated, what)
			}
		}
		if !slices.Equal(released, []string{"PUBREL 1", "PUBREL 2", "PUBREL 3"}) || !slices.Equal(repeated, []string{"PUBLISH 1", "PUBLISH 2"}) {
			t.Errorf("over the next connection come %q", got)
		}
		end()
	})
}
