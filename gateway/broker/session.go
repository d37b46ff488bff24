package broker

import (
	"cmp"
	"slices"
	"time"
)

// session is what a client id has at the broker. The hub's lock guards it.
type session struct {
	id, user string
	own      bool
	version  byte
	expiry   time.Duration // how long it outlives its connection, 0 = not at all
	client   *client       // nil while nobody is connected
	left     time.Time     // since then
	subs     map[string]*subscription
	subCost  int

	queue    fifo                  // QoS 1 and 2, not sent yet
	fast     fifo                  // QoS 0
	inflight map[uint16]*delivery  // sent and not acknowledged, by packet id
	received map[uint16]receivedID // QoS 2 messages from the client that it has not released
	nextID   uint16
	bytes    int // of all deliveries
	dropped  uint64
	kept     bool // on disk
	told     bool // the log says that it loses messages

	will *will
	hit  hit // of the message that is being routed
}

// receivedID is how a QoS 2 packet id is known.
type receivedID struct {
	restored bool // from before a restart, which may have forgotten that it was released
}

// hit gathers what several matching subscriptions of a session want of one message.
type hit struct {
	round   uint64
	qos     byte
	ids     []uint32
	publish bool // retain as published
}

func newSession(id, user string) *session {
	return &session{
		id: id, user: user,
		subs: map[string]*subscription{}, inflight: map[uint16]*delivery{}, received: map[uint16]receivedID{},
	}
}

func (s *session) deliveries() int { return s.queue.len() + s.fast.len() + len(s.inflight) }

// unacknowledged returns what is in flight in the order in which it was sent.
func (s *session) unacknowledged() []*delivery {
	all := make([]*delivery, 0, len(s.inflight))
	for _, d := range s.inflight {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
	return all
}

// freeID returns a packet id that is not in use; there are far more than fit in the window.
func (s *session) freeID() uint16 {
	for {
		s.nextID++
		if s.nextID != 0 && s.inflight[s.nextID] == nil {
			return s.nextID
		}
	}
}

// endsAt is when the session of a client that is away ends.
func (s *session) endsAt() time.Time { return s.left.Add(s.expiry) }
