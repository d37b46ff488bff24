package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"modferry/gateway/message"
)

// connection is one visit to the broker.
type connection struct {
	session  *Session
	o        *Options
	client   client
	over     context.Context // ends with the connection
	hurry    context.Context // ends with the connection, when it is lost, or when the goodbye has taken too long
	cancel   func()          // ends hurry
	lost     chan error      // why the connection ended by itself
	watching sync.WaitGroup
	end      func()
	uncut    func() bool // stops what the end of hurry would begin
	flying   []flight    // oldest first; QoS 1 and 2 only
	topics   []string    // subscribed
	epoch    int         // of the session's topics that these are
	scratch  []byte      // for packets
	ahead    int         // states that may be flying: fewer where the broker is slow
	pace     pace
}

// newConnection is for a visit that goes on until ctx ends.
func newConnection(ctx context.Context, s *Session, o *Options) *connection {
	over, end := context.WithCancel(context.Background())
	hurry, cancel := context.WithCancel(over)
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		select {
		case <-time.After(goodbye):
		case <-over.Done():
		}
	})
	return &connection{
		session: s, o: o, client: s.client, ahead: firstFlying, over: over, hurry: hurry, cancel: cancel,
		lost: make(chan error, 1), end: func() { stop(); end() },
	}
}

// watch ends every wait for the broker when the connection is lost: a library that goes
// on over the next connection leaves open what was not acknowledged over this one.
func (c *connection) watch(lost <-chan error) {
	select {
	case err := <-lost:
		c.lost <- err
		c.cancel()
	case <-c.over.Done():
	}
}

// handedOver tells Deliver that its publication is on its way.
type handedOver struct {
	receipt receipt
	over    context.Context // of the connection
	err     error           // why it is not
}

// subscribe brings the subscriptions to what the session wants.
func (c *connection) subscribe(ctx context.Context) error {
	must, may, epoch := c.session.wanted()
	want := slices.Concat(must, may)
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	missing := without(want, c.topics)
	c.session.subscribed = append(c.session.subscribed, without(want, c.session.subscribed)...)
	if len(missing) > 0 {
		refused, err := c.client.subscribe(ctx, missing)
		if err != nil {
			return fmt.Errorf("cannot subscribe: %w", timely(ctx, err))
		}
		for _, r := range refused {
			if slices.Contains(must, r.topic) {
				return fmt.Errorf("cannot subscribe: %w", &r)
			}
		}
	}
	if surplus := without(c.session.subscribed, want); len(surplus) > 0 {
		if err := c.client.unsubscribe(ctx, surplus); err != nil {
			return fmt.Errorf("cannot unsubscribe: %w", timely(ctx, err))
		}
	}
	c.session.subscribed = slices.Clone(want)
	c.topics, c.epoch = want, epoch
	return nil
}

// without returns a new list of those topics that are not among the others.
func without(topics, others []string) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return slices.Contains(others, t) })
}

// timely replaces the end of a deadline by words.
func timely(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("the broker did not answer in time")
	}
	return err
}

// deliver acknowledges and publishes until the connection or ctx ends.
func (c *connection) deliver(ctx context.Context) error {
	alive := time.NewTicker(c.o.aliveEvery())
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return errEnding
		case err := <-c.lost:
			return lostError(err)
		case <-alive.C:
			if c.session.mayBeOld(c.client, c.o) {
				return c.discard()
			}
			c.session.life.note(c.client.lastAlive())
		case <-c.session.old:
			return c.discard()
		case <-c.session.contradiction.C:
			c.session.announce(message.Online)
		case <-c.session.outbox.wake:
		}
		if c.epoch != c.session.topicsEpoch() {
			if err := c.subscribe(ctx); err != nil {
				return err
			}
		}
		if err := c.empty(ctx); err != nil {
			return err
		}
	}
}

// errEnding: the session shall end, or change, while the connection is there.
var errEnding = errors.New("the session ends")

// errCut: the session ended the connection without the words of MQTT.
var errCut = errors.New("the session has ended the connection")

// acknowledgeAfter is how many publications may go before an acknowledgement.
const acknowledgeAfter = 16

// discard ends a connection after a silence. The next one begins a new session.
func (c *connection) discard() error {
	c.session.life.forget()
	return errStoodStill
}

// empty publishes all that waits, and acknowledges what can be at once after it: a
// reply does not wait, and its acknowledgement leaves together with it.
func (c *connection) empty(ctx context.Context) error {
	held := c.session.held.Load()
	defer held.flush()
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return errEnding
		}
		if some, err := c.next(); err != nil || !some {
			return err
		}
		if n%acknowledgeAfter == 0 {
			held.flush()
		}
	}
}

// next publishes what is next, and reports whether there was something.
func (c *connection) next() (some bool, err error) {
	open := c.isOpen()
	if open {
		if some, err := c.publishStates(); some {
			return true, err
		}
	}
	p := c.session.outbox.takeBut(!open)
	if p == nil {
		return false, nil
	}
	return true, c.publish(p, ackTimeout)
}

var errClosedByBroker = errors.New("closed by the broker")

func lostError(err error) error {
	if err == nil {
		err = errClosedByBroker
	}
	return fmt.Errorf("connection lost: %w", dialError(err))
}

// publish hands one publication to the broker. When it fails the publication is
// kept among the flying ones, for the end of the connection to decide about.
func (c *connection) publish(p *publication, limit time.Duration) error {
	if err := c.makeRoom(p, limit); err != nil {
		c.keep(p, nil, err)
		return err
	}
	if p.compose != nil {
		if p.topic, p.payload = p.compose(); p.topic == "" {
			return nil
		}
	}
	p.qos = c.o.QoS
	if p.delivery != nil && (p.qos == 0 || c.o.Version == V311) { // those are not counted, see maxUnannounced
		p.qos = 1
	}
	c.o.Publishing(p.topic, p.payload)
	r, err := c.client.publish(c.hurry, p)
	c.keep(p, r, err)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		c.session.refused(refused)
	case err != nil:
		return c.why(fmt.Errorf("cannot publish: %w", err))
	}
	return nil
}

// reasonPatience is how long the library may take to say why a connection has ended
// that it takes nothing for any more.
const reasonPatience = time.Second

// why returns the loss of the connection, if there was one, for what failed with it.
func (c *connection) why(err error) error {
	if errors.Is(err, errNotTaken) {
		limit := time.NewTimer(reasonPatience)
		defer limit.Stop()
		select {
		case <-c.hurry.Done(): // after the reason is there
		case <-limit.C:
		}
	}
	select {
	case lost := <-c.lost:
		return lostError(lost)
	default:
		return err
	}
}

// keep takes note of what became of a publication. The end of what Deliver publishes
// is its caller's.
func (c *connection) keep(p *publication, r receipt, err error) {
	var refused *refusal
	switch {
	case p.delivery != nil:
		p.delivery <- handedOver{r, c.over, err}
	case errors.As(err, &refused):
	case err != nil || r != receipt(sent{}):
		c.flying = append(c.flying, flight{p, r, time.Now()})
	default:
		c.session.outbox.done(p)
	}
}

// lastWord is how much of the goodbye is kept for saying offline.
const lastWord = 300 * time.Millisecond

// farewell publishes what is still queued and waits for the broker to have it. It
// reports whether the broker has it.
func (c *connection) farewell() bool {
	deadline := time.Now().Add(goodbye)
	for time.Now().Before(deadline.Add(-lastWord)) {
		c.session.held.Load().flush()
		if some, err := c.publishStates(); err != nil {
			return false
		} else if some {
			continue
		}
		p := c.session.outbox.take()
		if p == nil {
			break
		}
		if c.publish(p, time.Until(deadline)) != nil {
			return false
		}
	}
	if topic, payload, retain := c.o.will(); topic != "" { // the last word: who hears it need not wait for more
		p := &publication{topic: topic, payload: payload, retain: retain}
		if c.publish(p, time.Until(deadline)) != nil {
			return false
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for _, f := range c.flying {
		var refused *refusal
		if err := f.receipt.wait(ctx); err != nil && !errors.As(err, &refused) {
			return false
		}
	}
	c.flying = nil
	return time.Now().Before(deadline)
}

// rest returns what the broker may not have: what the client took and may publish
// itself over the next connection, and what it did not take.
func (c *connection) rest() (taken, untaken []*publication) {
	for _, f := range c.flying {
		if f.receipt == nil {
			untaken = append(untaken, f.what)
			continue
		}
		if done, err := f.receipt.poll(); !done || err != nil {
			taken = append(taken, f.what)
		}
	}
	return taken, untaken
}
