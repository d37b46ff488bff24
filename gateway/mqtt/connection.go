package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxFlying bounds the publications that wait for their acknowledgement.
const maxFlying = 64

// connection is one visit to the broker.
type connection struct {
	session *Session
	o       *Options
	client  client
	over    context.Context // ends with the connection
	end     context.CancelFunc
	flying  []flight // oldest first; QoS 1 and 2 only
	topics  []string // subscribed
	epoch   int      // of the session's topics that these are
}

// flight is a publication that the broker has not acknowledged yet. receipt is nil if
// the client did not take it.
type flight struct {
	what    *publication
	receipt receipt
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
	missing := slices.DeleteFunc(slices.Clone(want), func(t string) bool { return slices.Contains(c.topics, t) })
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
	surplus := slices.DeleteFunc(slices.Clone(c.topics), func(t string) bool { return slices.Contains(want, t) })
	if len(surplus) > 0 {
		if err := c.client.unsubscribe(ctx, surplus); err != nil {
			return fmt.Errorf("cannot unsubscribe: %w", timely(ctx, err))
		}
	}
	c.topics, c.epoch = want, epoch
	return nil
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
			return ctx.Err()
		case err := <-c.client.lost():
			return lostError(err)
		case <-alive.C:
			c.session.life.note(c.client.lastAlive())
		case <-c.session.contradiction.C:
			c.session.announce(online)
		case <-c.session.outbox.wake:
		}
		if c.epoch != c.session.topicsEpoch() {
			if err := c.subscribe(ctx); err != nil {
				return err
			}
		}
		if err := c.empty(); err != nil {
			return err
		}
	}
}

// acknowledgeAfter is how many publications may go before an acknowledgement.
const acknowledgeAfter = 16

// empty publishes all that waits, and acknowledges what can be at once after it: a
// reply does not wait, and its acknowledgement leaves together with it.
func (c *connection) empty() error {
	held := c.session.held.Load()
	defer held.flush()
	for n := 1; ; n++ {
		p := c.session.outbox.take()
		if p == nil {
			return nil
		}
		if err := c.publish(p, ackTimeout); err != nil {
			return err
		}
		if n%acknowledgeAfter == 0 {
			held.flush()
		}
	}
}

func lostError(err error) error {
	if err == nil {
		err = errors.New("closed by the broker")
	}
	return fmt.Errorf("connection lost: %w", dialError(err))
}

// publish hands one publication to the broker. When it fails the publication is
// kept among the flying ones, for the end of the connection to decide about.
func (c *connection) publish(p *publication, limit time.Duration) error {
	if err := c.makeRoom(limit); err != nil {
		c.flying = append(c.flying, flight{what: p})
		return err
	}
	p.qos = c.o.QoS
	if p.delivery != nil {
		p.qos = max(1, p.qos)
	}
	c.o.Publishing(p.topic, p.payload)
	r, err := c.client.publish(p)
	if p.delivery != nil { // its end is the caller's
		p.delivery <- handedOver{r, c.over, err}
		r = sent{}
	}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		c.session.refused(refused)
	case err != nil:
		c.flying = append(c.flying, flight{what: p})
		return fmt.Errorf("cannot publish: %w", err)
	case r != receipt(sent{}):
		c.flying = append(c.flying, flight{p, r})
	}
	return nil
}

// makeRoom forgets what was acknowledged and, with all places taken, waits for the oldest.
func (c *connection) makeRoom(limit time.Duration) error {
	for len(c.flying) > 0 {
		done, err := c.flying[0].receipt.poll()
		if !done {
			if len(c.flying) < maxFlying {
				return nil
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			err = c.flying[0].receipt.wait(ctx)
			cancel()
		}
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			c.session.refused(refused)
		case errors.Is(err, context.DeadlineExceeded):
			return errors.New("no acknowledgement came from the broker")
		case err != nil:
			return fmt.Errorf("cannot publish: %w", err)
		}
		c.flying = c.flying[1:]
	}
	return nil
}

// farewell publishes what is still queued and waits for the broker to have it.
func (c *connection) farewell() {
	deadline := time.Now().Add(goodbye)
	for time.Now().Before(deadline) {
		c.session.held.Load().flush()
		p := c.session.outbox.take()
		if p == nil {
			break
		}
		if c.publish(p, time.Until(deadline)) != nil {
			return
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for _, f := range c.flying {
		var refused *refusal
		if err := f.receipt.wait(ctx); err != nil && !errors.As(err, &refused) {
			return
		}
	}
	c.flying = nil
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
