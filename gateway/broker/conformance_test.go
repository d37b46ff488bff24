package broker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// delivered is a PUBLISH packet that a client received.
type delivered struct {
	dup, retain bool
	qos         byte
	id          uint16
	topic       string
	properties  []byte // of MQTT 5
	payload     string
}

func (p answer) message(version byte) delivered {
	d := delivered{dup: p.flags&8 != 0, retain: p.flags&1 != 0, qos: p.flags >> 1 & 3}
	n := int(binary.BigEndian.Uint16(p.body))
	d.topic = string(p.body[2 : 2+n])
	rest := p.body[2+n:]
	if d.qos > 0 {
		d.id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	if version == 5 {
		n, size := binary.Uvarint(rest)
		d.properties, rest = rest[size:size+int(n)], rest[size+int(n):]
	}
	d.payload = string(rest)
	return d
}

// five is a client of MQTT 5.
type five struct {
	*raw
	t testing.TB
}

func connectFive(t testing.TB, b *running, id string, clean bool, properties ...[]byte) *five {
	t.Helper()
	c := &five{dial(t, b.address), t}
	c.connect(t, connectPacket{version: 5, id: id, clean: clean, properties: bytes.Join(properties, nil)})
	return c
}

func expiry(seconds uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{0x11}, seconds)
}

// subscribe returns the reason codes.
func (c *five) subscribe(properties []byte, filters ...any) []byte {
	c.t.Helper()
	parts := [][]byte{u16(77), binary.AppendUvarint(nil, uint64(len(properties))), properties}
	for i := 0; i < len(filters); i += 2 {
		parts = append(parts, str(filters[i].(string)), []byte{byte(filters[i+1].(int))})
	}
	c.send(c.t, 0x82, parts...)
	return c.expect(c.t, 9).body[3:]
}

// publish publishes at QoS 1 and waits for the acknowledgement.
func (c *five) publish(topic, payload string, retain bool, properties ...[]byte) {
	c.t.Helper()
	header := byte(0x32)
	if retain {
		header |= 1
	}
	all := bytes.Join(properties, nil)
	c.send(c.t, header, str(topic), u16(9), binary.AppendUvarint(nil, uint64(len(all))), all, []byte(payload))
	for {
		switch p := c.next(c.t); p.kind {
		case 4:
			return
		case 3: // its own
			c.take(p)
		default:
			c.t.Fatalf("got %+v, want PUBACK", p)
		}
	}
}

// take acknowledges a message.
func (c *five) take(p answer) delivered {
	c.t.Helper()
	m := p.message(5)
	switch m.qos {
	case 1:
		c.send(c.t, 0x40, u16(int(m.id)))
	case 2:
		c.send(c.t, 0x50, u16(int(m.id)))
	}
	return m
}

func (c *five) receive() delivered {
	c.t.Helper()
	for {
		p := c.next(c.t)
		if p.kind != 6 {
			if p.kind != 3 {
				c.t.Fatalf("got packet type %d (% x), want a message", p.kind, p.body)
			}
			return c.take(p)
		}
		c.send(c.t, 0x70, u16(int(p.id()))) // the rest of a QoS 2 message
	}
}

// leave disconnects in order; the broker has seen it when leave returns.
func (c *five) leave() {
	c.t.Helper()
	c.send(c.t, 0xE0)
	if err := c.end(); err != nil {
		c.t.Fatal(err)
	}
}

// nothing fails the test if anything came before the answer to a ping.
func (c *five) nothing() {
	c.t.Helper()
	c.send(c.t, 0xC0)
	if p := c.next(c.t); p.kind != 13 {
		c.t.Fatalf("got packet type %d: %+v", p.kind, p.message(5))
	}
}

func TestWildcards(t *testing.T) {
	b := run(t, Options{})
	sender := connectFive(t, b, "sender", true)
	for filter, want := range map[string]string{
		"a/b": "a/b", "a/+": "a/b a/c", "a/#": "a a/b a/c a/b/d a//b", "+/b": "a/b /b", "#": "a a/b a/c a/b/d /b b a//b", "+": "a b",
		"/#": "/b", "/+": "/b", "+/+": "a/b a/c /b", "a/+/b": "a//b", "a/+/#": "a/b a/c a/b/d a//b", "$x/#": "$x/y $x", "$x/+": "$x/y", "+/y": "",
	} {
		live, late := connectFive(t, b, "", true), connectFive(t, b, "", true)
		live.subscribe(nil, filter, 1)
		for _, topic := range []string{"a", "a/b", "a/c", "a/b/d", "/b", "b", "a//b", "$x/y", "$x"} {
			sender.publish(topic, "x", true)
		}
		late.subscribe(nil, filter, 1)
		for name, c := range map[string]*five{"live": live, "retained": late} {
			var got []string
			c.send(t, 0xC0)
			for p := c.next(t); p.kind != 13; p = c.next(t) {
				got = append(got, c.take(p).topic)
			}
			all := strings.Fields(want)
			slices.Sort(all)
			slices.Sort(got)
			if !slices.Equal(got, all) {
				t.Errorf("%s, %s: got %q, want %q", filter, name, got, all)
			}
			_ = c.Close()
		}
		for _, topic := range []string{"a", "a/b", "a/c", "a/b/d", "/b", "b", "a//b", "$x/y", "$x"} {
			sender.publish(topic, "", true)
		}
	}
}

func TestSubscriptionIdentifiers(t *testing.T) {
	b := run(t, Options{})
	c, sender := connectFive(t, b, "", true), connectFive(t, b, "", true)
	c.subscribe([]byte{0x0B, 0x87, 0x01}, "a/#", 0)
	c.subscribe([]byte{0x0B, 5}, "a/+", 1)
	c.subscribe(nil, "+/b", 0)
	sender.publish("a/b", "x", false)
	m := c.receive()
	if m.qos != 1 || !bytes.Equal(m.properties, []byte{0x0B, 5, 0x0B, 0x87, 0x01}) {
		t.Errorf("got %+v, want one copy at QoS 1 with the identifiers 5 and 135", m)
	}
	c.nothing()
	c.subscribe([]byte{0x0B, 6}, "a/+", 1) // replaces it
	sender.publish("a/b", "y", false)
	if m := c.receive(); !bytes.Equal(m.properties, []byte{0x0B, 6, 0x0B, 0x87, 0x01}) {
		t.Errorf("got %+v, want the identifiers 6 and 135", m)
	}
}

func TestNoLocal(t *testing.T) {
	b := run(t, Options{})
	c := connectFive(t, b, "me", true)
	if codes := c.subscribe(nil, "a", 1|4, "$share/g/a", 1|4); !bytes.Equal(codes, []byte{1, 0x82}) {
		t.Errorf("SUBACK % x, want the shared one refused", codes)
	}
	c.publish("a", "own", false)
	c.nothing()
	connectFive(t, b, "other", true).publish("a", "other's", false)
	if m := c.receive(); m.payload != "other's" {
		t.Errorf("got %+v", m)
	}
}

func TestRetainHandlingAndRetainAsPublished(t *testing.T) {
	b := run(t, Options{})
	sender := connectFive(t, b, "", true)
	sender.publish("a", "kept", true)
	c := connectFive(t, b, "", true)
	for _, step := range []struct {
		options int
		want    bool
	}{{0x20, false}, {0x10, false}, {0x00, true}} {
		c.subscribe(nil, "a", step.options)
		if step.want {
			if m := c.receive(); m.payload != "kept" || !m.retain {
				t.Errorf("options %#x: got %+v", step.options, m)
			}
		}
		c.nothing()
	}
	c.send(t, 0xA2, u16(1), []byte{0}, str("a"))
	c.expect(t, 11)
	c.subscribe(nil, "a", 0x10)
	if m := c.receive(); m.payload != "kept" {
		t.Errorf("a new subscription with retain handling 1: got %+v", m)
	}
	c.subscribe(nil, "a", 0x28) // retain as published, no retained ones now
	sender.publish("a", "again", true)
	if m := c.receive(); !m.retain {
		t.Error("retain as published: the flag is gone")
	}
	c.subscribe(nil, "a", 0x20)
	sender.publish("a", "again", true)
	if m := c.receive(); m.retain {
		t.Error("without retain as published a live message has the flag")
	}
}

func TestSharedSubscriptions(t *testing.T) {
	b := run(t, Options{})
	sender := connectFive(t, b, "", true)
	var members []*five
	for i := range 3 {
		m := connectFive(t, b, fmt.Sprint("member", i), true)
		m.subscribe(nil, "$share/workers/jobs/+", 1)
		members = append(members, m)
	}
	other := connectFive(t, b, "", true)
	other.subscribe(nil, "$share/others/jobs/+", 1)
	plain := connectFive(t, b, "", true)
	plain.subscribe(nil, "jobs/#", 1)
	const jobs = 30
	for i := range jobs {
		sender.publish("jobs/a", fmt.Sprint(i), false)
	}
	got := map[string]int{}
	for _, m := range members {
		m.send(t, 0xC0)
		n := 0
		for p := m.next(t); p.kind != 13; p = m.next(t) {
			got[m.take(p).payload]++
			n++
		}
		if n == 0 || n == jobs {
			t.Errorf("a member has %d of %d messages", n, jobs)
		}
	}
	for i := range jobs {
		if got[fmt.Sprint(i)] != 1 {
			t.Errorf("message %d came to %d members", i, got[fmt.Sprint(i)])
		}
		for name, c := range map[string]*five{"the other group": other, "the plain subscriber": plain} {
			if m := c.receive(); m.payload != fmt.Sprint(i) {
				t.Errorf("%s got %q, want %d", name, m.payload, i)
			}
		}
	}
	// Nothing is retained for them, and who is gone gets no turn.
	sender.publish("jobs/kept", "x", true)
	for _, m := range members {
		_ = m.Close()
	}
	late := connectFive(t, b, "", true)
	late.subscribe(nil, "$share/late/jobs/+", 1)
	late.nothing()
}

func TestWillDelay(t *testing.T) {
	t.Parallel()
	b := run(t, Options{})
	watch := connectFive(t, b, "", true)
	watch.subscribe(nil, "w/#", 1)
	connectWith := func(id string, delay, session uint32) *raw {
		c := dial(t, b.address)
		properties := binary.BigEndian.AppendUint32([]byte{5, 0x18}, delay)
		will := bytes.Join([][]byte{properties, str("w/" + id), str("gone")}, nil)
		_, err := c.Write(framed(0x10, str("MQTT"), []byte{5, 4, 0, 30}, []byte{5}, expiry(session), str(id), will))
		if err != nil {
			t.Fatal(err)
		}
		if ack := c.expect(t, 2); ack.body[1] != 0 {
			t.Fatalf("CONNACK % x", ack.body)
		}
		return c
	}
	start := time.Now()
	_ = connectWith("back", 1, 60).Close()
	_ = connectWith("away", 1, 60).Close()
	_ = connectWith("ends", 60, 0).Close() // its session ends at once, and its will with it
	if m := watch.receive(); m.topic != "w/ends" {
		t.Errorf("got %+v, want the will of the session that ended", m)
	}
	connectFive(t, b, "back", false, expiry(60))
	if m := watch.receive(); m.topic != "w/away" || time.Since(start) < time.Second {
		t.Errorf("got %+v after %v", m, time.Since(start))
	}
	until(t, func() bool { return time.Since(start) > 2200*time.Millisecond })
	watch.nothing()
}

func TestSessionExpiry(t *testing.T) {
	t.Parallel()
	b := run(t, Options{})
	_ = connectFive(t, b, "short", false, expiry(1)).Close()
	_ = connectFive(t, b, "long", false, expiry(100)).Close()
	_ = connectFive(t, b, "none", false).Close()
	until(t, func() bool { return b.Stats().Sessions == 1 })
	c := dial(t, b.address)
	if !c.connect(t, connectPacket{version: 5, id: "long", properties: expiry(100)}) {
		t.Error("the session with the long expiry is gone")
	}
	// A DISCONNECT may shorten it.
	c.send(t, 0xE0, []byte{0, 5}, expiry(0))
	if err := c.end(); err != nil {
		t.Error(err)
	}
	until(t, func() bool { return b.Stats().Sessions == 0 })
	c = dial(t, b.address)
	if _, err := c.Write(connectPacket{version: 5, id: "x", properties: expiry(0xFFFFFFFF)}.bytes()); err != nil {
		t.Fatal(err)
	}
	if ack := c.expect(t, 2); !bytes.Contains(ack.body, expiry(7*24*3600)) {
		t.Errorf("CONNACK % x does not say that a week is the most", ack.body)
	}
}

// until fails the test if the condition does not come true soon.
func until(t testing.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}

func TestMessageExpiry(t *testing.T) {
	t.Parallel()
	b := run(t, Options{})
	seconds := func(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{2}, n) }
	c := connectFive(t, b, "away", false, expiry(100))
	c.subscribe(nil, "a", 1)
	_ = c.Close()
	until(t, func() bool { return b.Stats().Clients == 0 })
	sender := connectFive(t, b, "", true)
	start := time.Now()
	sender.publish("a", "short", true, seconds(1))
	sender.publish("a", "long", false, seconds(100))
	sender.publish("a", "ever", false)
	until(t, func() bool { return time.Since(start) > 1100*time.Millisecond })
	again := connectFive(t, b, "away", false, expiry(100))
	m := again.receive()
	if m.payload != "long" || len(m.properties) != 5 || m.properties[0] != 2 {
		t.Fatalf("got %+v, want the message that has not expired, with the rest of its interval", m)
	}
	if left := binary.BigEndian.Uint32(m.properties[1:]); left < 90 || left >= 100 {
		t.Errorf("%d s are left of 100 s after one", left)
	}
	if m := again.receive(); m.payload != "ever" || len(m.properties) != 0 {
		t.Errorf("got %+v", m)
	}
	late := connectFive(t, b, "", true)
	late.subscribe(nil, "a", 1)
	late.nothing() // nor is it retained any more
}

func TestPropertiesArePassedOn(t *testing.T) {
	b := run(t, Options{})
	c := connectFive(t, b, "", true)
	old := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{}).Subscribe("a", 1)
	c.subscribe(nil, "a", 1)
	properties := bytes.Join([][]byte{
		{1, 1}, {3}, str("text/plain"), {8}, str("answers/here"), {9}, str("\x00\x01id"), {0x26}, str("k"), str("v"), {0x26}, str("k"), str("w"),
	}, nil)
	c.publish("a", "x", true, properties)
	if m := old.Next(soon); string(m.Payload) != "x" {
		t.Errorf("MQTT 3.1.1 got %+v", m)
	}
	late := connectFive(t, b, "", true)
	late.subscribe(nil, "a", 0)
	if m := late.receive(); !bytes.Equal(m.properties, properties) {
		t.Errorf("got % x\nwant % x", m.properties, properties)
	}
}

func TestMaximumPacketSize(t *testing.T) {
	b := run(t, Options{})
	c := connectFive(t, b, "", true, []byte{0x27, 0, 0, 0, 100})
	c.subscribe(nil, "a", 1)
	sender := connectFive(t, b, "", true)
	sender.publish("a", strings.Repeat("x", 200), false)
	sender.publish("a", "small", false)
	if m := c.receive(); m.payload != "small" {
		t.Errorf("got %d bytes", len(m.payload))
	}
}

// Messages come in the order of their publication, also those that waited, and those
// that are repeated after a lost connection, before everything newer.
func TestOrder(t *testing.T) {
	for _, qos := range []int{1, 2} {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			b := run(t, Options{})
			const first, waiting, last = 100, 1000, 200
			session := []byte{0x21, 0, 50, 0x11, 0, 0, 0, 99} // 50 at a time
			c := connectFive(t, b, "reader", false, session)
			c.subscribe(nil, "a", qos)
			sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
			n := 0
			publish := func(count int) {
				var last interface{ WaitTimeout(time.Duration) bool }
				for range count {
					last = sender.Client.Publish("a", byte(qos), false, fmt.Sprint(n))
					n++
				}
				if !last.WaitTimeout(soon) {
					t.Fatal("not acknowledged")
				}
			}
			publish(first)
			for range 50 { // received, and not acknowledged
				c.expect(t, 3)
			}
			_ = c.Close()
			until(t, func() bool { return b.Stats().Clients == 1 })
			publish(waiting)
			c = connectFive(t, b, "reader", false, session)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range last {
					sender.Client.Publish("a", byte(qos), false, fmt.Sprint(first+waiting+i))
				}
			}()
			for i := range first + waiting + last {
				m := c.receive()
				if m.payload != fmt.Sprint(i) || m.dup != (i < 50) || int(m.qos) != qos {
					t.Fatalf("message %d: got %+v", i, m)
				}
			}
			<-done
		})
	}
}

// A subscriber that reads slowly loses nothing that was acknowledged, within the bounds.
func TestSlowSubscriberLosesNothing(t *testing.T) {
	b := run(t, Options{})
	slow := connectFive(t, b, "slow", true)
	slow.subscribe(nil, "a", 1)
	sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	const messages = 4000
	payload := strings.Repeat("x", 1000)
	tokens := make(chan interface{ WaitTimeout(time.Duration) bool }, messages)
	for i := range messages {
		tokens <- sender.Client.Publish("a", 1, false, fmt.Sprint(i, " ", payload))
	}
	close(tokens)
	for token := range tokens {
		if !token.WaitTimeout(soon) {
			t.Fatal("the publisher is held up")
		}
	}
	for i := range messages {
		if m := slow.receive(); !strings.HasPrefix(m.payload, fmt.Sprint(i, " ")) {
			t.Fatalf("message %d: got %.10q", i, m.payload)
		}
	}
}

// Mosquitto's own clients in each version.
func TestMosquittoClients(t *testing.T) {
	pub, sub := gatewaytest.Need(t, "mosquitto_pub"), gatewaytest.Need(t, "mosquitto_sub")
	b := run(t, Options{})
	host, port, _ := strings.Cut(b.Addr().String(), ":")
	for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
		common := []string{"-h", host, "-p", port, "-V", version, "-q", "2", "-t", "m/" + version}
		out, err := exec.Command(pub, append(common, "-r", "-m", "kept")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		out, err = exec.Command(sub, append(common, "-C", "1", "-W", "5", "-v")...).CombinedOutput()
		if want := "m/" + version + " kept\n"; err != nil || string(out) != want {
			t.Errorf("%s: got %q (%v), want %q", version, out, err, want)
		}
	}
}
