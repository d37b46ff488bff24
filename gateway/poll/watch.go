package poll

import (
	"context"
	"sync"
	"time"

	"modferry/gateway/message"
)

// begin starts the watch over what must happen without a reply: readings that become
// stale, heartbeats, values that were held back, a device that says nothing any more.
// It does not depend on the bus. The function that is returned ends it.
func (p *Poller) begin(ctx context.Context) (end func()) {
	now := time.Now()
	p.mu.Lock()
	p.answered = now
	for _, r := range p.readings {
		if r.quality == "" {
			r.time = now
		}
	}
	p.mu.Unlock()
	if p.o.Board != nil {
		p.o.Board.put(p)
	}
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { p.watch(ctx) })
	return func() {
		stop()
		watching.Wait()
		if p.o.Board != nil {
			p.o.Board.remove(p)
		}
	}
}

func (p *Poller) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.sooner:
		case <-timer.C:
		}
		timer.Reset(time.Until(p.look(time.Now())))
	}
}

// look does what is due and returns when to look again.
func (p *Poller) look(now time.Time) time.Time {
	foreign := p.foreign()
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := longestWatch
	for _, r := range p.readings {
		next := r.wait(now)
		if next <= 0 {
			if r.late(now) {
				p.publish(r, now)
			}
			next = r.wait(now)
		}
		wait = min(wait, next)
	}
	p.computeAll(foreign, now)
	if !now.Before(p.silentFrom()) {
		p.announce(message.Offline)
	}
	p.tellGroup()
	p.flush(now, 0)
	p.watched = p.next(now.Add(wait), now)
	return p.watched
}

// longestWatch is for a device that has nothing to be watched.
const longestWatch = time.Hour

// next returns when something is due, of the readings at the time that is given.
func (p *Poller) next(next, now time.Time) time.Time {
	for _, r := range p.computed {
		next = earlier(next, now.Add(min(longestWatch, r.wait(now))))
	}
	if silent := p.silentFrom(); p.online != message.Offline {
		next = earlier(next, silent)
	}
	if len(p.inputs) > 0 {
		next = earlier(next, now.Add(p.o.Device.Every))
	}
	return next
}

// silentFrom returns when the device counts as offline if it says nothing: then the
// fastest of its readings are stale.
func (p *Poller) silentFrom() time.Time {
	fastest := longestWatch
	if rates := p.schedule.rates; len(rates) > 0 {
		fastest = rates[0]
	}
	return p.answered.Add(staleAfter * fastest)
}

// watchBy has the watch look at a time at the latest.
func (p *Poller) watchBy(at time.Time) {
	if at.Before(p.watched) {
		p.watched = at
		select {
		case p.sooner <- struct{}{}:
		default:
		}
	}
}

// foreign returns what is known of other devices' readings that are computed with.
// p.mu is not held: the other device may be computing, too.
func (p *Poller) foreign() map[string]message.Sample {
	if len(p.inputs) == 0 || p.o.Board == nil {
		return nil
	}
	samples := make(map[string]message.Sample, len(p.inputs))
	for _, name := range p.inputs {
		samples[name] = p.o.Board.sample(name)
	}
	return samples
}

// earlier returns the earlier of two times; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
