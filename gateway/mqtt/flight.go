package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	maxFlying   = 64 // publications that wait for their acknowledgement
	firstFlying = 4  // of them states, until it is known how long the way to the broker is

	// maxUnannounced is the same for QoS 2 with MQTT 3.1.1, where no broker says how many
	// it takes: mosquitto takes 20, and acknowledges what it drops beyond.
	maxUnannounced = 16
)

// flight is a publication that the broker has not acknowledged yet. receipt is nil if
// the client did not take it.
type flight struct {
	what    *publication
	receipt receipt
	at      time.Time
}

// makeRoom forgets what was acknowledged and, with all places taken, waits for the oldest.
func (c *connection) makeRoom(p *publication, limit time.Duration) error {
	for len(c.flying) > 0 {
		oldest := c.flying[0]
		if oldest.receipt == nil {
			return errNotTaken
		}
		done, err := oldest.receipt.poll()
		if !done {
			if len(c.flying) < c.mostBeside(p) {
				return nil
			}
			ctx, cancel := context.WithTimeout(c.hurry, limit)
			err = oldest.receipt.wait(ctx)
			cancel()
			if err == nil && p.retain {
				c.ahead = min(max(1, c.pace.next(c.ahead, oldest.at, time.Now(), true)), maxFlying)
			}
		}
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			c.session.refused(refused)
		case errors.Is(err, context.DeadlineExceeded):
			return errors.New("no acknowledgement came from the broker")
		case err != nil:
			return c.why(fmt.Errorf("cannot publish: %w", err))
		}
		c.flying[0] = flight{}
		c.flying = c.flying[1:]
		c.session.outbox.done(oldest.what)
		c.session.pending = nil // went out before it, and acknowledgements keep the order [MQTT-4.6.0-5]
	}
	return nil
}

// mostBeside returns how many publications may be flying when another one goes out.
func (c *connection) mostBeside(p *publication) int {
	most := c.mostFlying() - len(c.session.pending)
	if p.retain {
		most = min(most, c.ahead)
	}
	return max(1, most)
}

func (c *connection) mostFlying() int {
	if c.o.Version == V311 && c.o.QoS == 2 {
		return maxUnannounced
	}
	return maxFlying
}
