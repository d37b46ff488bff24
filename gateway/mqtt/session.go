package mqtt

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"modferry/gateway/message"
)

const (
	connectTimeout = 10 * time.Second
	writeTimeout   = 5 * time.Second
	pingTimeout    = 5 * time.Second
	ackTimeout     = 10 * time.Second // for a SUBACK, and for the acknowledgement that makes room in flight
	goodbye        = 2 * time.Second  // for the last publications when the session ends
	complainEvery  = 10 * time.Second
	minBackoff     = 100 * time.Millisecond
	flapBackoff    = 500 * time.Millisecond // at most, after a connection that was made and lost
	maxBackoff     = 15 * time.Second
)

// Session is a lasting connection to one broker.
type Session struct {
	outbox        *outbox
	contradiction *contradiction
	held          atomic.Pointer[held] // of the present connection
	life          *lifeline            // used by Run alone, as are those below
	client        client
	pending       []*publication // taken by the client over an ended connection, and perhaps not acknowledged since
	subscribed    []string       // what the broker may have subscribed for the session
	youngUntil    atomic.Int64   // when, by sinceBoot, what waited while the session was away becomes too old; 0 = nothing did
	old           chan struct{}  // one token: something came that may be too old
	complained    atomic.Int64   // when, in nanoseconds since 1970

	mu     sync.Mutex
	o      *Options
	next   *Options // to go over to
	change context.CancelCauseFunc
	epoch  int // of the topics
	status Status
}

// errStoodStill: what came after a long silence, because the process, the broker or
// the network stood still, can have waited for as long.
var errStoodStill = errors.New("nothing came for longer than requests.resume_within allows: what waited meanwhile is discarded")

const (
	trustedSilence = 2 * time.Second // in which the broker is taken to be there
	minSilence     = 4 * time.Second // that pings, which come every second at most, leave room for
)

var errReconfigured = errors.New("the configuration has changed")

// New returns a session that connects when it is run. Publications queue from now on.
func New(o Options) *Session {
	return &Session{o: o.withDefaults(), outbox: newOutbox(o.Events), contradiction: newContradiction(), change: func(error) {}, old: make(chan struct{}, 1)}
}

// Publish queues an event.
func (s *Session) Publish(e Event) {
	if e.Flow == "" {
		e.Flow = e.Topic
	}
	if e.Compose == nil && !message.ValidTopic(e.Topic) { // a broker would end the connection, again and again
		s.drop(e.Topic, "no message can be published on this topic")
		return
	}
	p := publication{flow: e.Flow, topic: e.Topic, payload: e.Payload, correlation: e.Correlation, compose: e.Compose}
	if dropped := s.outbox.add(p); dropped > 0 {
		s.complain("the broker is away or slow: replies are dropped", "topic", e.Topic, "dropped", dropped)
	}
}

// refused drops what the broker does not want.
func (s *Session) refused(r *refusal) { s.drop(r.topic, r.Error()) }

func (s *Session) drop(topic, why string) {
	s.mu.Lock()
	s.status.Dropped++
	s.mu.Unlock()
	s.complain("a message is not published", "topic", topic, "error", why)
}

// complain says now and then that something is dropped.
func (s *Session) complain(what string, args ...any) {
	now := time.Now().UnixNano()
	if last := s.complained.Load(); now-last > int64(complainEvery) && s.complained.CompareAndSwap(last, now) {
		s.options().Logger.Warn(what, args...)
	}
}

// Retain sets the state of a topic: published retained, now and after each reconnect.
func (s *Session) Retain(st State) {
	if away := s.outbox.state(st); away && st.Missed != nil {
		st.Missed()
	}
}

// Forget clears what is retained on a topic.
func (s *Session) Forget(topic string) { s.outbox.state(State{Topic: topic}) }

// Forgetting returns the topics that were cleared by [Session.Forget] and that the broker
// may still have.
func (s *Session) Forgetting() []string { return s.outbox.forgetting() }

// Deliver publishes at QoS 1, or with MQTT 5 at 2 if Options say so, when nothing more
// urgent waits, and returns when the broker has it. It waits for a connection. An error says that
// the broker may not have it: the connection ended, or ctx.
func (s *Session) Deliver(ctx context.Context, topic string, payload []byte) error {
	handed := make(chan handedOver, 1)
	p := &publication{topic: topic, payload: payload, delivery: handed}
	s.outbox.deliver(p)
	defer s.outbox.withdraw(p)
	var h handedOver
	select {
	case <-ctx.Done():
		return ctx.Err()
	case h = <-handed:
	}
	if h.err != nil {
		return h.err
	}
	limited, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	defer context.AfterFunc(h.over, cancel)()
	if err := h.receipt.wait(limited); err != nil && h.over.Err() != nil {
		return errors.New("the connection to the broker ended before it acknowledged the message")
	} else if err != nil {
		return timely(limited, err)
	}
	return nil
}

// SetTopics replaces Options.Topics and Optional, without another connection.
func (s *Session) SetTopics(topics, optional []string) {
	s.mu.Lock()
	o := *s.o
	o.Topics, o.Optional = topics, optional
	s.o = &o
	if s.next != nil {
		next := *s.next
		next.Topics, next.Optional = topics, optional
		s.next = &next
	}
	s.epoch++
	s.mu.Unlock()
	s.outbox.rouse()
}

// Reconfigure ends the connection in order and goes on with other options. What is
// queued and all states stay.
func (s *Session) Reconfigure(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = o.withDefaults()
	s.change(errReconfigured)
}

// Status returns how the session is now.
func (s *Session) Status() Status {
	s.outbox.mu.Lock()
	dropped := s.outbox.dropped
	s.outbox.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Dropped += dropped
	return status
}

func (s *Session) options() *Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o
}

// wanted returns the topics to subscribe. The session listens to its own status, too.
func (s *Session) wanted() (must, may []string, epoch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	may = s.o.Optional
	if s.o.Status != "" {
		may = append(may[:len(may):len(may)], s.o.Status)
	}
	return s.o.Topics, may, s.epoch
}

func (s *Session) topicsEpoch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// Run keeps the session until ctx ends; then it publishes what is queued and
// offline, within two seconds, and disconnects.
func (s *Session) Run(ctx context.Context) {
	defer s.lost(nil)
	defer s.contradiction.stop()
	backoff := minBackoff
	var last string
	var other rival
	for ctx.Err() == nil {
		visit, o := s.begin(ctx)
		connected, err := s.visit(visit, o)
		if ctx.Err() != nil {
			return
		}
		if visit.Err() != nil { // reconfigured
			backoff, last = minBackoff, ""
			continue
		}
		err = other.note(visit, o, s.lived(connected), err)
		o.Failed(err)
		s.lost(err)
		switch { // where the broker is there, what ended the connection may happen again at once
		case other.suspected():
			backoff = min(backoff, rivalBackoff)
		case connected && !errors.Is(err, errTakenOver):
			backoff, last = min(backoff, flapBackoff), ""
		}
		if text := err.Error(); text != last && !other.suspected() || other.suspected() && other.isDue() { // say each trouble once, not at every try
			last = text
			o.Logger.Warn("no connection to the broker, trying again", "broker", o.URL, "error", err)
		}
		pause := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, maxBackoff)
		select {
		case <-visit.Done():
		case <-time.After(pause):
		}
	}
}

// begin takes over new options, if there are some. The context ends with the next ones.
func (s *Session) begin(ctx context.Context) (context.Context, *Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil || s.client == nil {
		if s.next != nil {
			s.o, s.next = s.next, nil
			s.epoch++
		}
		s.outbox.restore(s.pending)
		s.pending = nil
		var c client
		c = newClient(s.o, func(a arrival) { s.arrived(c, a) })
		s.client = c
		s.life = newLifeline(s.o).after(s.life)
	}
	s.change(nil) // of the last visit
	ctx, s.change = context.WithCancelCause(ctx)
	return ctx, s.o
}

// lived returns how long the connection has been there, if it was made.
func (s *Session) lived(connected bool) time.Duration {
	if !connected {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(1, time.Since(s.status.Since))
}

func (s *Session) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Connected {
		s.status.Since = time.Now()
	}
	s.status.Connected, s.status.Err = false, err
}

// arrived takes a message from the client to its handler.
func (s *Session) arrived(c client, a arrival) {
	o := s.options()
	if s.mayBeOld(c, o) { // not acknowledged, and discarded by the next connection
		rouse(s.old)
		return
	}
	m := a.Message
	m.came = sinceBoot()
	m.Ack = s.held.Load().add(a.ack)
	if o.Status != "" && m.Topic == o.Status {
		m.Ack()
		if !m.Retained && string(m.Payload) != message.Online {
			s.contradiction.heard()
		}
		return
	}
	o.Handle(m)
}

// mayBeOld reports whether what comes now can have waited for longer than ResumeWithin.
func (s *Session) mayBeOld(c client, o *Options) bool {
	until := s.youngUntil.Load()
	return until != 0 && int64(sinceBoot()) > until || o.ResumeWithin > 0 && c.silence() > max(o.ResumeWithin, minSilence)
}

// announce sets the status topic, if there is one.
func (s *Session) announce(status string) {
	if topic := s.options().Status; topic != "" {
		s.outbox.state(State{Topic: topic, Payload: []byte(status)})
	}
}
