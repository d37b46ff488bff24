package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// raw is a client that sends what it is told, right or wrong.
type raw struct {
	net.Conn
	in *bufio.Reader
}

// answer is a received packet: its type, the flags of its header, and what follows.
type answer struct {
	kind, flags byte
	body        []byte
}

func (p answer) id() uint16 { return binary.BigEndian.Uint16(p.body) }

// deliveredID returns the packet id of a PUBLISH with QoS above 0.
func (p answer) deliveredID() uint16 {
	return binary.BigEndian.Uint16(p.body[2+binary.BigEndian.Uint16(p.body):])
}

func dial(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &raw{c, bufio.NewReader(c)}
}

func (r *raw) send(t testing.TB, header byte, parts ...[]byte) {
	t.Helper()
	if _, err := r.Write(framed(header, parts...)); err != nil {
		t.Fatal(err)
	}
}

// framed returns a packet of the parts.
func framed(header byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return append(binary.AppendUvarint([]byte{header}, uint64(len(body))), body...)
}

func str(s string) []byte { return append(u16(len(s)), s...) }
func u16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// read returns the next packet.
func (r *raw) read() (answer, error) {
	_ = r.SetReadDeadline(time.Now().Add(soon))
	head, err := r.in.ReadByte()
	if err != nil {
		return answer{}, err
	}
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return answer{}, err
	}
	p := answer{head >> 4, head & 15, make([]byte, n)}
	_, err = io.ReadFull(r.in, p.body)
	return p, err
}

func (r *raw) next(t testing.TB) answer {
	t.Helper()
	p, err := r.read()
	if err != nil {
		t.Fatalf("no packet: %v", err)
	}
	return p
}

// expect returns the next packet, which must be of kind.
func (r *raw) expect(t testing.TB, kind byte) answer {
	t.Helper()
	p := r.next(t)
	if p.kind != kind {
		t.Fatalf("got packet type %d (% x), want %d", p.kind, p.body, kind)
	}
	return p
}

// end reads until the broker closes the connection.
func (r *raw) end() error {
	for {
		if _, err := r.read(); err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				return err
			}
			return nil
		}
	}
}

// connectPacket is a CONNECT packet, with nothing checked.
type connectPacket struct {
	version        byte
	name           string // of the protocol; "" = what the version needs
	id             string
	clean          bool
	user, password *string
	properties     []byte // of MQTT 5
	will           string // topic
	willQoS        byte
}

func (c connectPacket) bytes() []byte {
	if c.name == "" {
		c.name = "MQTT"
		if c.version == 3 {
			c.name = "MQIsdp"
		}
	}
	flags := byte(0)
	if c.clean {
		flags |= 2
	}
	properties := func(p []byte) []byte {
		if c.version != 5 {
			return nil
		}
		return append(binary.AppendUvarint(nil, uint64(len(p))), p...)
	}
	payload := append(properties(c.properties), str(c.id)...)
	if c.will != "" {
		flags |= 4 | c.willQoS<<3
		payload = append(append(append(payload, properties(nil)...), str(c.will)...), str("gone")...)
	}
	if c.user != nil {
		flags |= 0x80
		payload = append(payload, str(*c.user)...)
	}
	if c.password != nil {
		flags |= 0x40
		payload = append(payload, str(*c.password)...)
	}
	return framed(0x10, str(c.name), []byte{c.version, flags, 0, 30}, payload)
}

// connect sends the packet and returns whether a session was present.
func (r *raw) connect(t testing.TB, c connectPacket) bool {
	t.Helper()
	if _, err := r.Write(c.bytes()); err != nil {
		t.Fatal(err)
	}
	ack := r.expect(t, 2)
	if ack.body[1] != 0 {
		t.Fatalf("CONNACK with code 0x%02x", ack.body[1])
	}
	return ack.body[0] == 1
}

// subscribe subscribes a client of MQTT 3.1.1.
func (r *raw) subscribe(t testing.TB, id int, filter string, qos byte) {
	t.Helper()
	r.send(t, 0x82, u16(id), str(filter), []byte{qos})
	if ack := r.expect(t, 9); ack.body[2] != qos {
		t.Fatalf("SUBACK with code 0x%02x", ack.body[2])
	}
}

func onLost(lost chan<- error) func(*paho.ClientOptions) {
	return func(o *paho.ClientOptions) {
		o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	}
}
