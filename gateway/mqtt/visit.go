package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modferry/gateway/message"
)

// visit is one connection from the first try to its end, with the reason for that.
func (s *Session) visit(ctx context.Context, o *Options) (connected bool, err error) {
	s.held.Store(&held{rouse: s.outbox.rouse})
	o.Connecting()
	c := newConnection(ctx, s, o)
	defer c.end()
	if err := c.open(ctx); err != nil {
		return false, err
	}
	o.Logger.Info("connected to the broker", "broker", o.URL)
	if w := s.client.warning(); w != nil {
		o.Logger.Warn("the connection to the broker needs attention", "error", w)
	}
	s.mu.Lock()
	s.status.Connected, s.status.Since, s.status.Err = true, time.Now(), nil
	s.status.Connects++
	s.mu.Unlock()
	o.Online()
	s.announce(message.Online)
	s.outbox.restate(o.Status)
	s.outbox.setOnline(true)
	err = c.deliver(ctx)
	inOrder := false
	if errors.Is(err, errEnding) {
		inOrder = c.farewell()
	}
	if !errors.Is(err, errStoodStill) {
		s.life.note(s.client.lastAlive())
	}
	c.close(inOrder)
	return true, err
}

// open connects and subscribes.
func (c *connection) open(ctx context.Context) error {
	s := c.session
	fresh := s.life.isOver()
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	s.expectOld(fresh)
	resumed, err := s.client.connect(limited, fresh)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", err)
	}
	late := !fresh && s.life.isOver()
	if !resumed {
		s.outbox.restore(s.pending)
		s.pending = nil
	}
	if fresh {
		s.subscribed = nil
	}
	if !late {
		s.life.connected()
		s.youngUntil.Store(0)
	}
	if w, _ := s.client.direct(); w != nil {
		w.window.tell(s.outbox.rouse)
	}
	c.uncut = context.AfterFunc(c.hurry, c.client.cut)
	lost := s.client.lost()
	c.watching.Go(func() { c.watch(lost) })
	if late {
		c.close(false)
		return errStoodStill
	}
	if err := c.subscribe(ctx); err != nil {
		c.close(false)
		return err
	}
	return nil
}

// expectOld prepares for what waited while the session was away, and says what is
// not going to be delivered.
func (s *Session) expectOld(fresh bool) {
	select {
	case <-s.old: // of the last connection
	default:
	}
	s.youngUntil.Store(0)
	o := s.options()
	switch away, known := s.life.away(); {
	case !known || o.ResumeWithin <= 0:
	case fresh:
		o.Logger.Warn("the gateway was without its broker for longer than requests.resume_within: requests that wait there are discarded", "away", away.Round(time.Second/10))
	default:
		s.youngUntil.Store(int64(sinceBoot() + o.ResumeWithin - away))
	}
}

// close ends the connection and sees to what the broker may not have. If it is not in
// order, the broker shall publish the will.
func (c *connection) close(inOrder bool) {
	s := c.session
	c.uncut()
	if !inOrder {
		c.client.cut()
	}
	c.client.disconnect()
	c.end()
	c.watching.Wait()
	taken, untaken := c.rest()
	for _, p := range append(taken, untaken...) {
		if p.missed != nil {
			p.missed()
		}
	}
	for _, missed := range s.outbox.setOnline(false) {
		missed()
	}
	s.pending = append(s.pending, taken...)
	s.outbox.restore(untaken)
}
