package broker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

func TestEmptyCredentialsCountAsNone(t *testing.T) {
	empty, ann, secret := "", "ann", "secret"
	anonymous := run(t, Options{}).Addr().String()
	for _, version := range []byte{3, 4, 5} {
		for name, c := range map[string]connectPacket{
			"none":                {},
			"both empty":          {user: &empty, password: &empty},
			"empty user":          {user: &empty},
			"user without":        {user: &ann},
			"user empty password": {user: &ann, password: &empty},
			"both":                {user: &ann, password: &secret},
			"with a will":         {user: &empty, password: &empty, will: "w"},
		} {
			c.version, c.clean, c.id = version, true, "x"
			if version == 5 {
				c.properties = []byte{0x21, 0, 10, 0x11, 0, 0, 0, 9} // receive maximum, session expiry
			}
			r := dial(t, anonymous)
			r.connect(t, c)
			r.send(t, 0xC0) // PINGREQ
			if pk := r.next(t); pk.kind != 13 {
				t.Errorf("version %d, %s: got %+v, want PINGRESP", version, name, pk)
			}
		}
	}
	users := run(t, Options{Users: map[string]User{"ann": {Password: "secret", Topics: []string{"#"}}}}).Addr().String()
	for _, c := range []connectPacket{{}, {user: &empty, password: &empty}, {user: &ann, password: &empty}, {user: &empty, password: &secret}} {
		c.version, c.clean = 4, true
		r := dial(t, users)
		if _, err := r.Write(c.bytes()); err != nil {
			t.Fatal(err)
		}
		if ack := r.expect(t, 2); ack.body[1] != 5 {
			t.Errorf("%+v: CONNACK code %d, want 5 (not authorized)", c, ack.body[1])
		}
	}
}

// TestSixtyFourOutstandingAtQoS2 has two clients pass messages around a ring, all with both
// directions in flight on each connection: the load that makes the bare library
// disconnect a client after about a thousand messages.
func TestSixtyFourOutstandingAtQoS2(t *testing.T) {
	const outstanding, total = 64, 5000
	for _, transport := range []string{"tcp", "ws"} {
		t.Run(transport, func(t *testing.T) {
			b := run(t, Options{})
			url := map[string]string{"tcp": b.tcp, "ws": b.ws}[transport]
			lost := make(chan error, 2)
			asker := gatewaytest.Client(t, url, gatewaytest.ClientOptions{Persistent: true, ID: "asker", Configure: onLost(lost)})
			answerer := gatewaytest.Client(t, url, gatewaytest.ClientOptions{Persistent: true, ID: "answerer", Configure: onLost(lost)})
			requests, replies := answerer.Subscribe("request", 2), asker.Subscribe("reply", 2)
			for i := range outstanding {
				asker.Client.Publish("request", 2, false, fmt.Sprint(i))
			}
			seen := make(map[string]bool, total)
			for sent := outstanding; len(seen) < total; {
				select {
				case m := <-requests.Messages():
					answerer.Client.Publish("reply", 2, false, m.Payload)
				case m := <-replies.Messages():
					if seen[string(m.Payload)] {
						t.Fatalf("%s came twice", m.Payload)
					}
					seen[string(m.Payload)] = true
					if sent < total {
						asker.Client.Publish("request", 2, false, fmt.Sprint(sent))
						sent++
					}
				case err := <-lost:
					t.Fatalf("connection lost after %d messages: %v", len(seen), err)
				case <-time.After(soon):
					t.Fatalf("stalled after %d messages", len(seen))
				}
			}
		})
	}
}

// TestPacketIDsOfBothDirections: a client's packet with the id of an unacknowledged message
// to it leaves that message alone.
func TestPacketIDsOfBothDirections(t *testing.T) {
	b := run(t, Options{})
	c := dial(t, b.Addr().String())
	c.connect(t, connectPacket{version: 4, id: "phone"})
	c.subscribe(t, 1, "in", 2)
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	sender.Publish("in", 2, false, "x")
	taken := c.expect(t, 3).deliveredID()
	watch := sender.Subscribe("out", 2)

	id := int(taken)
	c.subscribe(t, id, "more", 1)
	c.send(t, 0x32, str("out"), u16(id), []byte("one"))
	if ack := c.expect(t, 4); ack.id() != taken {
		t.Errorf("PUBACK for %d, want %d", ack.id(), taken)
	}
	for _, header := range []byte{0x34, 0x3C} { // and its repetition
		c.send(t, header, str("out"), u16(id), []byte("two"))
		if rec := c.expect(t, 5); rec.id() != taken {
			t.Errorf("PUBREC for %d, want %d", rec.id(), taken)
		}
	}
	c.send(t, 0x62, u16(id))
	if comp := c.expect(t, 7); comp.id() != taken {
		t.Errorf("PUBCOMP for %d, want %d", comp.id(), taken)
	}
	for _, want := range []string{"one", "two"} {
		if m := watch.Next(soon); string(m.Payload) != want {
			t.Errorf("got %q, want %q", m.Payload, want)
		}
	}
	watch.Quiet(10 * time.Millisecond)

	_ = c.Close()
	again := dial(t, b.Addr().String())
	if !again.connect(t, connectPacket{version: 4, id: "phone"}) {
		t.Error("no session")
	}
	if pk := again.expect(t, 3); pk.deliveredID() != taken || pk.flags&8 == 0 {
		t.Errorf("the unacknowledged message was not repeated: got %+v", pk)
	}
	again.send(t, 0xC0)
	again.expect(t, 13) // and nothing else was
}

func TestRepeatedMessageIsTakenOnce(t *testing.T) {
	b := run(t, Options{})
	watch := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Subscribe("a", 2)
	session := connectPacket{version: 5, id: "phone", properties: []byte{0x11, 0, 0, 0, 60}} // session expiry
	c := dial(t, b.Addr().String())
	c.connect(t, session)
	c.send(t, 0x34, str("a"), u16(9), []byte{0}, []byte("x"))
	c.expect(t, 5)
	_ = c.Close()
	again := dial(t, b.Addr().String())
	again.connect(t, session)
	again.send(t, 0x3C, str("a"), u16(9), []byte{0}, []byte("x"))
	if rec := again.expect(t, 5); rec.id() != 9 || len(rec.body) > 2 && rec.body[2] >= 0x80 {
		t.Errorf("PUBREC % x, want success", rec.body)
	}
	again.send(t, 0x62, u16(9))
	if comp := again.expect(t, 7); comp.id() != 9 || len(comp.body) > 2 && comp.body[2] >= 0x80 {
		t.Errorf("PUBCOMP % x, want success", comp.body)
	}
	watch.Next(soon)
	watch.Quiet(20 * time.Millisecond)
	again.send(t, 0x34, str("a"), u16(9), []byte{0}, []byte("y"))
	again.expect(t, 5)
	if m := watch.Next(soon); string(m.Payload) != "y" {
		t.Errorf("got %q, want the new message of the same id", m.Payload)
	}
}

func TestReceiveMaximumIsKept(t *testing.T) {
	b := run(t, Options{})
	c := dial(t, b.Addr().String())
	c.connect(t, connectPacket{version: 5, clean: true, properties: []byte{0x21, 0, 2}})
	c.send(t, 0x82, u16(1), []byte{0}, str("in"), []byte{2})
	c.expect(t, 9)
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	const messages = 100
	for i := range messages {
		sender.Client.Publish("in", byte(1+i%2), false, fmt.Sprint(i))
	}
	unacknowledged, done := 0, 0
	for done < messages {
		switch pk := c.next(t); pk.kind {
		case 3:
			if unacknowledged++; unacknowledged > 2 {
				t.Fatalf("%d unacknowledged messages, 2 are allowed", unacknowledged)
			}
			id := int(pk.deliveredID())
			if pk.flags>>1&3 == 1 {
				c.send(t, 0x40, u16(id))
				unacknowledged--
				done++
				continue
			}
			c.send(t, 0x50, u16(id))
		case 6:
			c.send(t, 0x70, u16(int(pk.id())))
			unacknowledged--
			done++
		default:
			t.Fatalf("got %+v", pk)
		}
		c.send(t, 0x30, str("elsewhere"), []byte{0}, []byte("x")) // the client publishes all the while
	}
}

// TestSubscriberThatDoesNotReadHoldsNobodyUp also shows that what is kept for it has a bound.
func TestSubscriberThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	b := run(t, Options{})
	stuck := dial(t, b.Addr().String())
	stuck.connect(t, connectPacket{version: 4, clean: true, id: "stuck"})
	stuck.subscribe(t, 1, "flood", 1)
	c := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	box := c.Subscribe("flood", 1)
	payload := strings.Repeat("x", 64<<10)
	for i := range 400 { // 25 MiB, more than any socket buffer
		c.Publish("flood", 1, false, payload)
		if m := box.Next(soon); len(m.Payload) != len(payload) {
			t.Fatalf("message %d has %d bytes", i, len(m.Payload))
		}
	}
	for i := range 5000 {
		c.Client.Publish("flood", 0, false, fmt.Sprint(i))
		box.Next(soon)
	}
	if s := b.Stats(); s.Clients != 2 || s.Memory > maxClientBytes+1<<20 {
		t.Errorf("%+v, want the subscriber still there, and not more kept for it than its share", s)
	}
}

func TestTakeoverKeepsTheNewSession(t *testing.T) {
	b := run(t, Options{})
	watch := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Subscribe("status", 1)
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	for i := range 100 {
		c := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "same", Configure: func(o *paho.ClientOptions) {
			o.SetWill("status", "offline", 1, true)
		}})
		c.Client.Publish("status", 1, true, "online")
		box := c.Subscribe("in", 1)
		sender.Publish("in", 1, false, fmt.Sprint(i))
		if m := box.Next(soon); string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("takeover %d: got %+v", i, m)
		}
		if i > 0 {
			if m := watch.Next(soon); string(m.Payload) != "offline" {
				t.Fatalf("takeover %d: got %q, want the old connection's will first", i, m.Payload)
			}
		}
		if m := watch.Next(soon); string(m.Payload) != "online" {
			t.Fatalf("takeover %d: got %q after the new connection's birth", i, m.Payload)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	b := run(t, Options{})
	var all []*raw
	for range maxConnections {
		c := dial(t, b.Addr().String())
		c.connect(t, connectPacket{version: 4, clean: true})
		all = append(all, c)
	}
	for version, want := range map[byte]byte{4: 3, 5: 0x89} {
		one := dial(t, b.Addr().String())
		if _, err := one.Write(connectPacket{version: version, clean: true}.bytes()); err != nil {
			t.Fatal(err)
		}
		if ack := one.expect(t, 2); ack.body[1] != want {
			t.Errorf("version %d, one connection too many: CONNACK code 0x%02x, want 0x%02x", version, ack.body[1], want)
		}
	}
	if _, err := gatewaytest.Connect(t, b.ws, gatewaytest.ClientOptions{}); err == nil {
		t.Error("one WebSocket too many was accepted")
	}
	all[0].send(t, 0xE0)
	if err := all[0].end(); err != nil {
		t.Error(err)
	}
	end := time.Now().Add(soon)
	for {
		if _, err := gatewaytest.Connect(t, b.tcp, gatewaytest.ClientOptions{}); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the place of a client that left is not free again")
		}
	}
}

func TestTooManySessions(t *testing.T) {
	b := run(t, Options{})
	for i := range maxSessions + 20 {
		c := dial(t, b.Addr().String())
		c.connect(t, connectPacket{version: 4, id: fmt.Sprint("away", i)})
		c.send(t, 0xE0)
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Stats().Sessions; n > maxSessions {
		t.Errorf("%d sessions are kept, at most %d should be", n, maxSessions)
	}
}

// A topic of very many levels would keep the library busy for seconds while it holds
// what every client needs.
func TestTopicsOfManyLevelsAreRefused(t *testing.T) {
	b := run(t, Options{})
	p := gatewaytest.Client(t, "tcp://"+b.Addr().String(), gatewaytest.ClientOptions{})
	token := p.Client.Subscribe(strings.Repeat("/", 60_000), 1, nil)
	if !token.WaitTimeout(5 * time.Second) {
		t.Fatal("no answer to the subscription")
	}
	in := p.Subscribe("still/alive", 1)
	p.Publish("still/alive", 1, false, "yes")
	if m := in.Next(5 * time.Second); string(m.Payload) != "yes" {
		t.Errorf("got %q", m.Payload)
	}
}
