package mqtt

import (
	"bytes"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	packets311 "github.com/eclipse/paho.mqtt.golang/packets"
)

// What the session writes itself reads as what the libraries write.
func TestStatesAreWhatTheLibrariesWrite(t *testing.T) {
	for _, size := range []int{1, 100, 114, 115, 127, 128, 16383, 16384, 70000} {
		payload := bytes.Repeat([]byte{'x'}, size)
		p, err := packets311.ReadPacket(bytes.NewReader(appendState(nil, "w/state", payload, false)))
		if m, ok := p.(*packets311.PublishPacket); err != nil || !ok || !m.Retain || m.Qos != 0 || m.Dup || m.TopicName != "w/state" || !bytes.Equal(m.Payload, payload) {
			t.Errorf("3.1.1, %d bytes: %v, %v", size, p, err)
		}
		q, err := packets.ReadPacket(bytes.NewReader(appendState(nil, "w/state", payload, true)))
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := q.Content.(*packets.Publish); !ok || !m.Retain || m.QoS != 0 || m.Duplicate || m.Topic != "w/state" || !bytes.Equal(m.Payload, payload) {
			t.Errorf("5, %d bytes: %v", size, q)
		}
	}
}

func TestAnswersAreFoundHoweverTheStreamIsCut(t *testing.T) {
	answer := []byte{0xD0, 0}
	long := appendState(nil, "t", bytes.Repeat(answer, 200), false) // its payload looks like answers
	whole := bytes.Join([][]byte{{0x20, 2, 0, 0}, answer, long, answer, answer, {0x40, 2, 0xD0, 0}, answer}, nil)
	for cut := 1; cut <= len(whole); cut++ {
		var s stream
		n := 0
		for b := whole; len(b) > 0; {
			k := min(cut, len(b))
			n += s.count(b[:k], 0xD0)
			b = b[k:]
		}
		if n != 4 {
			t.Errorf("pieces of %d: %d answers, want 4", cut, n)
		}
	}
}

func TestWindowFollowsTheBroker(t *testing.T) {
	eased := 0
	w := &window{limit: leastAhead, eased: func() { eased++ }}
	now := time.Unix(0, 0)
	packet := make([]byte, 1000)
	fill := func() (sent, probes int) {
		for w.isOpen() {
			probes += (len(w.sending(packet[:len(packet):len(packet)], now)) - len(packet)) / len(pingRequest)
			sent += len(packet)
		}
		return sent, probes
	}
	answer := func(n int) {
		for range n {
			w.received([]byte{0xD0, 0}, now)
		}
	}
	sent, probes := fill()
	if sent < leastAhead || sent > leastAhead+2*len(packet) || probes < 1 {
		t.Fatalf("%d bytes and %d questions ahead", sent, probes)
	}
	now = now.Add(time.Millisecond)
	answer(probes)
	if eased == 0 || !w.isOpen() {
		t.Error("an answer does not open the window")
	}
	for range 10 { // a quick broker: more, up to a bound
		_, probes = fill()
		answer(probes)
	}
	if w.limit != mostAhead {
		t.Errorf("%d bytes ahead for a quick broker", w.limit)
	}
	for range 10 { // a slow one
		_, probes = fill()
		now = now.Add(time.Second)
		answer(probes)
	}
	if w.limit != leastAhead {
		t.Errorf("%d bytes ahead for a slow broker", w.limit)
	}
	answer(5) // that nobody asked for
	if sent, _ := fill(); sent > 2*mostAhead {
		t.Errorf("%d bytes after answers that nobody asked for", sent)
	}
}
