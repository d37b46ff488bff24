package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// maxFlying bounds the publications that wait for their acknowledgement.
const maxFlying = 64

// connection is one visit to the broker.
type connection struct {
	session *Session
	client  paho.Client
	lost    chan error // one error when the connection ends by itself
	flying  []flight   // oldest first; QoS 1 and 2 only
}

// flight is a publication that the broker has not acknowledged yet.
type flight struct {
	what  publication
	token paho.Token
}

func (c *connection) subscribe(ctx context.Context) error {
	o := c.session.o
	filters := make(map[string]byte, len(o.Topics)+len(o.Optional))
	for _, t := range slices.Concat(o.Topics, o.Optional) {
		filters[t] = 2
	}
	if len(filters) == 0 {
		return nil
	}
	token := c.client.SubscribeMultiple(filters, nil)
	if err := wait(ctx, token, ackTimeout); err != nil {
		return fmt.Errorf("cannot subscribe: %w", err)
	}
	if granted, ok := token.(*paho.SubscribeToken); ok {
		for topic, qos := range granted.Result() {
			if qos > 2 && slices.Contains(o.Topics, topic) {
				return fmt.Errorf("the broker refuses the subscription to %q: check its access rules", topic)
			}
		}
	}
	return nil
}

// deliver publishes from the outbox until the connection or ctx ends.
func (c *connection) deliver(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-c.lost:
			return lostError(err)
		case <-c.session.outbox.wake:
		}
		for {
			p, more := c.session.outbox.take()
			if !more {
				break
			}
			if err := c.publish(p, ackTimeout); err != nil {
				return err
			}
		}
	}
}

func lostError(err error) error {
	if err == nil {
		err = errors.New("closed by the broker")
	}
	return fmt.Errorf("connection lost: %w", err)
}

// publish hands one publication to the broker. When it fails the publication is
// kept among the flying ones, to go back to the outbox.
func (c *connection) publish(p publication, limit time.Duration) error {
	if err := c.makeRoom(limit); err != nil {
		c.flying = append(c.flying, flight{what: p})
		return err
	}
	c.session.o.Publishing(p.topic, p.payload)
	token := c.client.Publish(p.topic, c.session.o.QoS, p.retain, p.payload)
	if c.session.o.QoS > 0 {
		c.flying = append(c.flying, flight{p, token})
		return nil
	}
	select {
	case <-token.Done(): // QoS 0: done when written; only a refusal is of interest
		if err := token.Error(); err != nil {
			c.flying = append(c.flying, flight{what: p})
			return fmt.Errorf("cannot publish: %w", err)
		}
	default:
	}
	return nil
}

// makeRoom forgets what was acknowledged and, with all places taken, waits for the oldest.
func (c *connection) makeRoom(limit time.Duration) error {
	for len(c.flying) > 0 {
		oldest := c.flying[0].token
		select {
		case <-oldest.Done():
		default:
			if len(c.flying) < maxFlying {
				return nil
			}
			if err := wait(context.Background(), oldest, limit); err != nil {
				return fmt.Errorf("no acknowledgement from the broker: %w", err)
			}
		}
		if err := oldest.Error(); err != nil {
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
		p, more := c.session.outbox.take()
		if !more {
			break
		}
		if c.publish(p, time.Until(deadline)) != nil {
			return
		}
	}
	for _, f := range c.flying {
		if f.token == nil || wait(context.Background(), f.token, time.Until(deadline)) != nil {
			return
		}
	}
}

// unacknowledged returns what the broker may not have. The connection is over.
func (c *connection) unacknowledged() []publication {
	var rest []publication
	for _, f := range c.flying {
		if f.token != nil {
			select {
			case <-f.token.Done():
				if f.token.Error() == nil {
					continue
				}
			default:
			}
		}
		rest = append(rest, f.what)
	}
	return rest
}
