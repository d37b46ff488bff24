package broker

import (
	"time"

	"modferry/gateway/broker/packet"
)

// What the entries cost beyond their bytes, roughly.
const (
	messageCost  = 256
	deliveryCost = 192
)

// message is what was published, once for all its receivers. It does not change,
// but for refs, which the hub's lock guards.
type message struct {
	number  uint64 // its key on disk
	topic   string
	payload []byte
	forward []byte // properties for the receivers
	qos     byte
	expires time.Time // zero = never
	size    int       // bytes it takes
	refs    int       // places that hold it: queues, connections, the retained messages
	kept    int       // how many of them are on disk
}

func newMessage(topic string, payload []byte, qos byte, p packet.Properties, now time.Time) *message {
	m := &message{topic: topic, payload: payload, forward: p.Forward, qos: qos}
	m.size = messageCost + len(topic) + len(payload) + len(m.forward)
	if p.MessageExpiry != nil {
		m.expires = now.Add(time.Duration(*p.MessageExpiry) * time.Second)
	}
	return m
}

func (m *message) expired(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

// secondsLeft is the message expiry interval to pass on [MQTT-3.3.2-6], 0 = none.
func (m *message) secondsLeft(now time.Time) uint32 {
	if m.expires.IsZero() {
		return 0
	}
	return uint32(max(1, (m.expires.Sub(now)+time.Second-1)/time.Second))
}

// delivery is a message on its way to one session.
type delivery struct {
	number   uint64 // its key on disk, and its place in the order
	message  *message
	qos      byte
	retain   bool
	ids      []uint32 // subscription identifiers
	id       uint16   // packet id once it was sent, at QoS 1 and 2
	released bool     // PUBREC has come: the client has it, PUBREL goes out
	gone     bool     // dropped or acknowledged
	kept     bool     // on disk
	on       *client  // the connection it was sent on and counts for
	cost     int
}

// fifo is a queue whose front is taken off in constant time.
type fifo struct {
	items []*delivery
	first int
}

func (f *fifo) len() int         { return len(f.items) - f.first }
func (f *fifo) push(d *delivery) { f.items = append(f.items, d) }
func (f *fifo) all() []*delivery { return f.items[f.first:] }

func (f *fifo) front() *delivery {
	if f.first == len(f.items) {
		return nil
	}
	return f.items[f.first]
}

func (f *fifo) pop() *delivery {
	d := f.front()
	if d == nil {
		return nil
	}
	f.items[f.first] = nil
	if f.first++; f.first == len(f.items) {
		f.items, f.first = nil, 0
	} else if f.first > 64 && f.first*2 > len(f.items) {
		f.items, f.first = append([]*delivery(nil), f.items[f.first:]...), 0
	}
	return d
}

// living returns the queue without what is gone.
func (f *fifo) living() (out fifo) {
	for _, d := range f.all() {
		if !d.gone {
			out.push(d)
		}
	}
	return out
}
